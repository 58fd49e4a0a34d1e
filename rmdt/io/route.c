/* SPDX-License-Identifier: Apache-2.0 */
#include "io/route.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/address.h"

int rmdt_route_mtu(const struct rmdt_addr *to, uint32_t *mtu_bytes)
{
	int family = rmdt_address_family(to);
	struct sockaddr_storage ss;
	socklen_t len = rmdt_address_get(to, family, &ss);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int mtu = 0, rc;
	socklen_t mtu_len = sizeof(mtu);
	/*
	 * What earlier path MTU discovery of the kernel left must not hide what the interface
	 * carries.
	 */
	int mode = IP_PMTUDISC_PROBE;

	if (fd < 0)
		return -errno;
	if (family == AF_INET) {
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof(mode));
		rc = connect(fd, (struct sockaddr *)&ss, len) == 0 ?
			     getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &mtu_len) : -1;
	} else {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &mode, sizeof(mode));
		rc = connect(fd, (struct sockaddr *)&ss, len) == 0 ?
			     getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &mtu_len) : -1;
	}
	rc = rc == 0 ? 0 : -errno;
	close(fd);
	if (rc == 0)
		*mtu_bytes = (uint32_t)mtu;
	return rc;
}
