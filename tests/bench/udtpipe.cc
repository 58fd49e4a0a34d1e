/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pipe over UDT, for comparison only: "udtpipe PORT" receives to stdout, "udtpipe ADDRESS PORT" sends stdin.
 * Buffers as an expert would set them for a fast path. Built by hand by the benchmark, since it is C++ and needs libudt.
 */
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>
#include <vector>

#include <udt/udt.h>

static void check(int rc, const char *what)
{
	if (rc != UDT::ERROR)
		return;
	fprintf(stderr, "udtpipe: %s: %s\n", what, UDT::getlasterror().getErrorMessage());
	exit(1);
}

static UDTSOCKET make_socket()
{
	UDTSOCKET s = UDT::socket(AF_INET, SOCK_STREAM, 0);
	int window = 65536, buffer = 64 << 20, udp = 8 << 20;

	UDT::setsockopt(s, 0, UDT_FC, &window, sizeof(window));
	UDT::setsockopt(s, 0, UDT_SNDBUF, &buffer, sizeof(buffer));
	UDT::setsockopt(s, 0, UDT_RCVBUF, &buffer, sizeof(buffer));
	UDT::setsockopt(s, 0, UDP_SNDBUF, &udp, sizeof(udp));
	UDT::setsockopt(s, 0, UDP_RCVBUF, &udp, sizeof(udp));
	return s;
}

static void receive(sockaddr_in &addr)
{
	std::vector<char> buf(1 << 20);
	UDTSOCKET listener = make_socket(), s;
	int n;

	check(UDT::bind(listener, (sockaddr *)&addr, sizeof(addr)), "bind");
	check(UDT::listen(listener, 1), "listen");
	s = UDT::accept(listener, nullptr, nullptr);
	while ((n = UDT::recv(s, buf.data(), (int)buf.size(), 0)) > 0)
		for (int done = 0; done < n;) {
			ssize_t w = write(1, buf.data() + done, (size_t)(n - done));

			if (w < 0)
				exit(1);
			done += (int)w;
		}
	UDT::close(s);
}

static void send(sockaddr_in &addr)
{
	std::vector<char> buf(1 << 20);
	UDTSOCKET s = make_socket();
	ssize_t n;

	check(UDT::connect(s, (sockaddr *)&addr, sizeof(addr)), "connect");
	while ((n = read(0, buf.data(), buf.size())) > 0)
		for (ssize_t done = 0; done < n;) {
			int w = UDT::send(s, buf.data() + done, (int)(n - done), 0);

			check(w, "send");
			done += w;
		}
	UDT::close(s);	/* lingers until all is there */
}

int main(int argc, char **argv)
{
	sockaddr_in addr = {};

	if (argc < 2 || argc > 3)
		return 2;
	addr.sin_family = AF_INET;
	addr.sin_port = htons((uint16_t)atoi(argv[argc - 1]));
	addr.sin_addr.s_addr = argc == 3 ? inet_addr(argv[1]) : htonl(INADDR_ANY);
	UDT::startup();
	if (argc == 2)
		receive(addr);
	else
		send(addr);
	UDT::cleanup();
	return 0;
}
