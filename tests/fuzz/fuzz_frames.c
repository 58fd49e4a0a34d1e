/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An established association with flows both ways, and a peer with the right keys and no manners:
 * the input is what it says, and what the application does in between. Nothing may crash, grow
 * beyond its bound or fail to come to rest.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"
#include "core/frame.h"
#include "core/wire.h"
#include "fuzz/input.h"
#include "unit/conn_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_OPS	100
#define POOL_BLOCKS	16

static struct pair p;

/* Numbers at which something happens, and small ones. */
static uint64_t number(struct input *in)
{
	const struct rmdt_outflow *of = p.r.out;
	unsigned k = input_u8(in);
	const uint64_t special[] = {
		of ? of->next_off : 0, of ? of->received_off : 0, of ? of->final_off : 0, of ? of->limit_off : 0,
		p.r.in ? p.r.in->high_off : 0, p.r.conn->rx_high,
			rmdt_credit_limit(&p.r.conn->rx_credit),
		rmdt_loss_next_pn(&p.r.conn->loss), CONN_MAX_START_OFF, RMDT_WIRE_VARINT_MAX,
			UINT32_MAX, 1u << 20,
	};
	const unsigned n = sizeof(special) / sizeof(special[0]);

	if (k < 3 * n)
		return (special[k / 3] + k % 3 - 1) & RMDT_WIRE_VARINT_MAX;
	return k < 192 ? k - 3 * n : input_u16(in);
}

static void put_numbers(struct rmdt_wire_writer *w, struct input *in, unsigned n)
{
	while (n-- > 0)
		rmdt_wire_put_varint(w, number(in));
}

static void put_text(struct rmdt_wire_writer *w, struct input *in)
{
	static const uint8_t text[1100] = "text";
	size_t len = input_u8(in);

	len = len < 200 ? len % 8 : len * 4;
	rmdt_wire_put_varint(w, len);
	rmdt_wire_put_bytes(w, text, len);
}

static void put_ack(struct rmdt_wire_writer *w, struct input *in)
{
	uint64_t largest = number(in), further = input_u8(in) % 4;

	rmdt_wire_put_varint(w, largest);
	rmdt_wire_put_varint(w, number(in));
	rmdt_wire_put_u32(w, input_u16(in));
	put_numbers(w, in, 2);
	rmdt_wire_put_varint(w, further);
	put_numbers(w, in, 1 + 2 * (unsigned)further);
}

static void put_open(struct rmdt_wire_writer *w, struct input *in)
{
	put_numbers(w, in, 2);
	rmdt_wire_put_u8(w, input_u8(in) % 4);
	rmdt_wire_put_u8(w, 1);
	put_numbers(w, in, 1);
	put_text(w, in);
	put_text(w, in);
}

static void put_frame(struct rmdt_wire_writer *w, struct input *in)
{
	unsigned type = input_u8(in) % 18;

	if (type == 17) {	/* as the input has it */
		uint8_t raw[64];

		rmdt_wire_put_bytes(w, raw, input_bytes(in, raw, input_u8(in) % sizeof(raw)));
		return;
	}
	rmdt_wire_put_u8(w, (uint8_t)(type == 16 ? 64 : type));
	switch (type) {
	case RMDT_FRAME_ACK:
		put_ack(w, in);
		break;
	case RMDT_FRAME_OPEN:
		put_open(w, in);
		break;
	case RMDT_FRAME_STATE:
		put_numbers(w, in, 4);
		break;
	case RMDT_FRAME_CREDIT:
	case RMDT_FRAME_DONE:
		put_numbers(w, in, 1);
		break;
	case RMDT_FRAME_FIN:
		put_numbers(w, in, 2);
		break;
	case RMDT_FRAME_RESET:
		put_numbers(w, in, 3);
		put_text(w, in);
		break;
	case RMDT_FRAME_STOP:
		put_numbers(w, in, 2);
		put_text(w, in);
		break;
	case RMDT_FRAME_MARK:
		put_numbers(w, in, 1);
		rmdt_wire_put_u8(w, input_u8(in) % 5);
		put_numbers(w, in, 1);
		break;
	case RMDT_FRAME_CHALLENGE:
	case RMDT_FRAME_RESPONSE:
		rmdt_wire_put_u64(w, input_u8(in) % 2 ? p.r.conn->candidate.nonce : input_u8(in));
		break;
	case RMDT_FRAME_MESSAGE:
	case 16:
		put_text(w, in);
		break;
	case RMDT_FRAME_REKEY:
		rmdt_wire_put_varint(w, input_u8(in) % 4);
		rmdt_wire_put_u8(w, input_u8(in) % 2);
		rmdt_wire_put_u64(w, input_u8(in));
		rmdt_wire_put_zeros(w, 24);
		break;
	case RMDT_FRAME_CLOSE:
		put_numbers(w, in, 1);
		put_text(w, in);
		break;
	}
}

static void say(struct input *in)
{
	static uint8_t buf[8192];
	struct rmdt_wire_writer w;

	rmdt_wire_writer_init(&w, buf, sizeof(buf));
	for (unsigned n = input_u8(in) % 4 + 1; n > 0; n--)
		put_frame(&w, in);
	pair_say(&p, &p.i, buf, rmdt_wire_written(&w));
}

static void say_data(struct input *in)
{
	unsigned how = input_u8(in);
	struct pair_chunk chunk = {
		.flow = how % 4, .off = number(in),
		.len = how & 0x20 ? input_u16(in) % 9000 : number(in) % 2000,
		.open = how & 0x40, .fin = how & 0x80,
	};

	pair_say_data(&p, &p.i, &chunk);
}

/* What the application of the responder does. */
static void act(struct input *in)
{
	unsigned how = input_u8(in);

	switch (how % 13) {
	case 0:
		p.r.hold_offers = !p.r.hold_offers;
		break;
	case 1:
		p.r.refuse_code = how & 0x80 ? 1001 : 0;
		break;
	case 2:
		p.r.hold_reading = !p.r.hold_reading;
		break;
	case 3:
		p.r.hold_done = !p.r.hold_done;
		break;
	case 4:
		if (p.r.in && p.r.in->state == RMDT_INFLOW_LIVE)
			rmdt_conn_in_stop(p.r.conn, p.r.in, how, "stop");
		break;
	case 5:
		if (p.r.in)
			rmdt_conn_in_free(p.r.conn, p.r.in);
		p.r.in = NULL;
		break;
	case 6:
		if (p.r.out)
			rmdt_conn_out_free(p.r.conn, p.r.out, how, "free");
		p.r.out = NULL;
		break;
	case 7:
		if (!p.r.out)
			(void)pair_open(&p, &p.r, "again");
		break;
	case 8:
		if (p.r.out)
			pair_write(&p, &p.r, how * 100u);
		break;
	case 9:
		if (p.r.out)
			pair_finish(&p, &p.r);
		break;
	case 10:
		if (p.r.in)
			rmdt_conn_in_mark(p.r.conn, p.r.in, how % RMDT_MARKS, how);
		break;
	case 11:
		(void)rmdt_conn_message_send(p.r.conn, "message", 7);
		break;
	default:
		if (how == 0xfe)
			rmdt_conn_close(p.r.conn, p.now_us, 1, NULL);
		else
			rmdt_conn_too_big(p.r.conn, p.now_us, 1200 + how);
	}
}

/* An offer that is held is answered before anything else happens to the conn. */
static void answer(unsigned how)
{
	struct rmdt_inflow *in = p.r.offered;

	p.r.offered = NULL;
	if (!in || !rmdt_conn_is_up(p.r.conn))
		return;
	if (how & 1) {
		rmdt_conn_refuse(p.r.conn, in, 1002, "held");
	} else if (rmdt_conn_accept(p.r.conn, in) == 0) {
		if (p.r.in)
			rmdt_conn_in_free(p.r.conn, p.r.in);
		p.r.in = in;
		p.r.read_off = in->start_off;
	}
}

static void step(struct input *in)
{
	unsigned op = input_u8(in);

	switch (op % 8) {
	case 0:
	case 1:
	case 2:
		say(in);
		break;
	case 3:
		say_data(in);
		break;
	case 4:
		act(in);
		break;
	case 5:
		p.now_us += (uint64_t)input_u8(in) * input_u8(in) * 100;
		break;
	case 6:
		pair_run(&p, (uint64_t)input_u8(in) * 1000);
		break;
	default:
		p.i.addr = pair_address(1 + (op >> 3) % 3, 2312);
	}
	pair_check(p.r.conn);
	pair_serve(&p, &p.r);
	answer(op >> 3);
	assert(!p.livelock && !p.late_timer && !p.r.wrong);
	assert(rmdt_blocks_used(&p.r.pool) <= POOL_BLOCKS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pair_options o = {
		.common = { .window_cap_bytes = 1u << 20, .max_flows = 3 },
		.pool_bytes = POOL_BLOCKS * RMDT_BLOCK_BYTES,
	};
	struct input in = { data, size };

	pair_init(&p, &o);
	pair_up(&p);
	(void)pair_open(&p, &p.i, "there");
	(void)pair_open(&p, &p.r, "back");
	pair_write(&p, &p.i, 1000);
	pair_write(&p, &p.r, 1000);
	pair_run(&p, 100 * PAIR_MS);
	for (int n = 0; in.left > 0 && n < MOST_OPS && p.i.conn->state == CONN_UP; n++)
		step(&in);
	pair_run(&p, PAIR_S);
	assert(!p.livelock);
	pair_fini(&p);
	return 0;
}
