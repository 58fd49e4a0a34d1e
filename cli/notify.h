/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

/*
 * Word to the service manager that started us, over the datagram socket that $NOTIFY_SOCKET names:
 * "READY=1", "STOPPING=1", "STATUS=one line". 1: sent; 0: nobody wants to know; negative errno.
 */
int notify_send(const char *state);

#endif
