/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_LIST_H
#define RMDT_CORE_LIST_H

/*
 * Doubly linked lists through two fields of their items, which are named; the head is a pointer to
 * the first. An item can be in as many lists as it has such pairs.
 */

#define RMDT_LIST_ADD(head, item, next, prev)		\
	do {						\
		(item)->prev = NULL;			\
		(item)->next = (head);			\
		if (head)				\
			(head)->prev = (item);		\
		(head) = (item);			\
	} while (0)

#define RMDT_LIST_REMOVE(head, item, next, prev)		\
	do {						\
		if ((item)->prev)			\
			(item)->prev->next = (item)->next; \
		else					\
			(head) = (item)->next;		\
		if ((item)->next)			\
			(item)->next->prev = (item)->prev; \
	} while (0)

/*
 * Queues through one field of their items: the head is a pointer to the first, the tail to the
 * field that the next item will be named in (at first, the head). Taking one out is for short ones.
 */

#define RMDT_QUEUE_ADD(tail, item, next)		\
	do {						\
		(item)->next = NULL;			\
		*(tail) = (item);			\
		(tail) = &(item)->next;			\
	} while (0)

#define RMDT_QUEUE_REMOVE(head, tail, item, next)	\
	do {						\
		__typeof__(&(head)) at_ = &(head);	\
							\
		while (*at_ != (item))			\
			at_ = &(*at_)->next;		\
		*at_ = (item)->next;			\
		if ((tail) == &(item)->next)		\
			(tail) = at_;			\
	} while (0)

#endif
