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

#endif
