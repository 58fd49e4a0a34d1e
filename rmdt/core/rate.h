/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_RATE_H
#define RMDT_CORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Delivery rate estimation: at which rate did the path deliver what was sent? Every packet in
 * flight is stamped when sent; every ACK frame yields one sample.
 *
 * Order of calls for one ACK frame: rmdt_rate_ack_start, rmdt_rate_on_acked for every packet newly
 * acked, rmdt_rate_on_lost for what the ACK shows lost, rmdt_rate_ack_finish. Losses found by a
 * timer call rmdt_rate_on_lost alone (sample NULL).
 *
 * Bytes are whole datagrams (headers and tags included) of packets that count as in flight.
 * No function fails; nothing here is allocated.
 */

/* What is kept for each packet in flight. Written by rmdt_rate_on_sent only. 48 bytes. */
struct rmdt_rate_stamp {
	uint64_t sent_us;		/* when this packet was sent */
	uint64_t delivered_bytes;	/* delivered by the connection at that time */
	uint64_t lost_bytes;		/* declared lost by the connection at that time */
	uint32_t delivered_age_us;	/* sent_us - time of the last delivery known then */
	uint32_t send_elapsed_us;	/* sent_us - start of the send interval of the sample */
	uint32_t in_flight_bytes;	/* in flight with this packet; saturates at UINT32_MAX */
	uint32_t rx_us;			/* receiver's clock at the last delivery known then */
	uint8_t rx_valid;		/* rx_us has a meaning */
	uint8_t app_limited;		/* the sender had too little to send at that time */
	uint8_t first_flight;		/* sent before the first sample after start or idle */
};

/* Per connection. Read only for others. */
struct rmdt_rate {
	uint64_t delivered_bytes;	/* total acked */
	uint64_t lost_bytes;		/* total declared lost (spurious ones taken back) */
	uint64_t delivered_us;		/* when delivered_bytes last grew; 0: nothing sent yet */
	uint64_t first_sent_us;		/* send time of the packet that ended the last sample */
	uint64_t app_limited_until;	/* value of delivered_bytes that ends the limit; 0: none */
	uint64_t last_sent_us;		/* send time of the newest packet acked up to now */
	uint32_t rx_us;			/* receiver's arrival time of the largest packet acked */
	bool rx_valid;			/* rx_us has a meaning */
	bool sampled;			/* a sample was made since start or idle */
};

/* What one ACK frame says. Valid until the next rmdt_rate_ack_start on it. */
struct rmdt_rate_sample {
	uint64_t rate;			/* bytes/s; 0: no valid sample in this ACK */
	uint64_t delivered_bytes;	/* delivered in interval_us */
	uint64_t interval_us;		/* max(send interval, arrival or ack interval) */
	uint64_t lost_bytes;		/* declared lost between the packet's sending and now */
	uint64_t prior_delivered_bytes;	/* connection's delivered_bytes when the packet was sent */
	uint64_t in_flight_at_send_bytes; /* in flight with that packet when it was sent */
	uint64_t sent_us;		/* when that packet was sent; 0: nothing newly acked */
	uint64_t rtt_us;		/* now - sent_us of the newest packet acked; 0: none */
	uint64_t newly_acked_bytes;
	uint64_t newly_lost_bytes;
	uint64_t prior_in_flight_bytes;	/* in flight before this ACK was looked at */

	/*
	 * A packet train: bytes that arrived between the last ACK's largest packet and this one's,
	 * the receiver's time that took, and the time it took to send them. train_rx_us of 0 says
	 * unknown. If sending was clearly faster than arrival, bytes/arrival is the bottleneck.
	 */
	uint64_t train_bytes;
	uint64_t train_rx_us;
	uint64_t train_send_us;

	bool app_limited;		/* rate is a lower bound: the sender had too little */
	bool first_flight;		/* the packet was sent before any feedback */
	bool by_arrival;		/* the interval is by the receiver's clock */

	/* Used between start and finish only. */
	struct rmdt_rate_stamp newest;
};

void rmdt_rate_init(struct rmdt_rate *rate);

/*
 * A packet of bytes goes out at now_us while in_flight_bytes are in flight without it. Fills
 * *stamp. With nothing in flight the sample's intervals begin anew.
 */
void rmdt_rate_on_sent(struct rmdt_rate *rate, struct rmdt_rate_stamp *stamp, uint32_t bytes,
		       uint64_t in_flight_bytes, uint64_t now_us);

/* Begin an ACK frame that arrived while prior_in_flight_bytes were in flight. */
void rmdt_rate_ack_start(const struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
			 uint64_t prior_in_flight_bytes);

/* One packet of bytes with this stamp is newly acked. Any order. */
void rmdt_rate_on_acked(struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
			const struct rmdt_rate_stamp *stamp, uint32_t bytes, uint64_t now_us);

/* bytes are declared lost; sample is that of the ACK that showed it, or NULL. */
void rmdt_rate_on_lost(struct rmdt_rate *rate, struct rmdt_rate_sample *sample, uint64_t bytes);

/* bytes that were declared lost were delivered after all. Call beside rmdt_rate_on_acked. */
void rmdt_rate_on_spurious(struct rmdt_rate *rate, uint64_t bytes);

/*
 * End the ACK frame and fill the sample. rx_us points to the receiver's arrival time of the
 * largest packet acked (microseconds, wraps at 2^32); NULL when the ACK has none or its largest
 * packet is not newly acked. min_rtt_us (0: unknown): a shorter interval gives no sample.
 */
void rmdt_rate_ack_finish(struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
			  const uint32_t *rx_us, uint64_t min_rtt_us, uint64_t now_us);

/* There is nothing to send although cwnd and pacing allow it, in_flight_bytes are in flight. */
void rmdt_rate_set_app_limited(struct rmdt_rate *rate, uint64_t in_flight_bytes);

#endif
