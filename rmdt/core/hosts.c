/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/cidr.h"
#include "core/key_line.h"
#include "core/lines.h"
#include "core/text.h"

struct pin {
	char *host;		/* in the form that host_plain makes */
	uint16_t port;
	unsigned line;
	uint8_t pub[RMDT_TRUST_KEY_BYTES];
};

struct rmdt_hosts {
	struct pin *pins;
	size_t n, cap;
};

/* ---- names */

static bool is_name_char(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && !strchr("#[]\",", c);
}

static bool is_name(struct rmdt_span s)
{
	/* One final dot has been taken off; a second would make two spellings of one line. */
	if (s.len == 0 || s.len >= RMDT_HOSTS_NAME_BYTES || s.p[s.len - 1] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_name_char(s.p[i]))
			return false;
	return true;
}

/* One spelling for all spellings of a host: lower case, no final dot, addresses as printed. */
static int host_plain(struct rmdt_span s, char out[RMDT_HOSTS_NAME_BYTES])
{
	struct rmdt_trust_addr addr;

	if (s.len > 2 && s.p[0] == '[' && s.p[s.len - 1] == ']')
		s = (struct rmdt_span){ s.p + 1, s.len - 2 };
	if (s.len > 1 && s.p[s.len - 1] == '.')
		s.len--;
	if (!is_name(s))
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++)
		out[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
	out[s.len] = '\0';
	if (rmdt_trust_addr_parse(out, &addr) == 0) {
		addr = rmdt_trust_addr_plain(&addr);
		inet_ntop(addr.version == 4 ? AF_INET : AF_INET6, addr.bytes, out,
			  RMDT_HOSTS_NAME_BYTES);
	}
	return 0;
}

/* 1 to 65535 in decimal; 0 when it is not that. */
static uint16_t port_parse(struct rmdt_span s)
{
	unsigned port = 0;

	if (s.len == 0 || s.len > 5 || s.p[0] == '0')
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		port = port * 10 + (unsigned)(s.p[i] - '0');
	}
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* Cuts HOST[:PORT] in two; port is empty when there is none. */
static bool host_cut(struct rmdt_span s, struct rmdt_span *host, struct rmdt_span *port)
{
	bool bracket = s.len > 0 && s.p[0] == '[';
	const char *end = memchr(s.p, bracket ? ']' : ':', s.len);
	size_t len = end ? (size_t)(end - s.p) + bracket : s.len;

	if (bracket && !end)
		return false;
	*host = (struct rmdt_span){ s.p, len };
	*port = (struct rmdt_span){ s.p + len, 0 };
	if (len == s.len)
		return true;
	if (s.p[len] != ':')
		return false;
	*port = (struct rmdt_span){ s.p + len + 1, s.len - len - 1 };
	return port->len > 0;
}

static int host_parse(struct rmdt_span text, char host[RMDT_HOSTS_NAME_BYTES], uint16_t *port,
		      struct rmdt_fault *fault)
{
	struct rmdt_span h, p;

	if (!host_cut(text, &h, &p) || host_plain(h, host) < 0)
		return rmdt_fault_set(fault, text,
				      "expected HOST or HOST:PORT, an IPv6 address in brackets");
	*port = p.len > 0 ? port_parse(p) : RMDT_HOSTS_PORT;
	return *port > 0 ? 0 : rmdt_fault_set(fault, p,
		"not a port number (an IPv6 address stands in brackets)");
}

/* ---- lines */

static int list_add(struct rmdt_hosts *hosts, const struct pin *pin, struct rmdt_fault *fault)
{
	if (hosts->n == RMDT_HOSTS_MAX_LINES)
		return rmdt_fault_set(fault, (struct rmdt_span){ NULL, 0 },
				      "more than 65536 hosts in the file");
	if (hosts->n == hosts->cap) {
		size_t cap = hosts->cap ? 2 * hosts->cap : 8;
		struct pin *pins = realloc(hosts->pins, cap * sizeof *pins);

		if (!pins)
			return -ENOMEM;
		hosts->pins = pins;
		hosts->cap = cap;
	}
	hosts->pins[hosts->n] = *pin;
	hosts->pins[hosts->n].host = strdup(pin->host);
	if (!hosts->pins[hosts->n].host)
		return -ENOMEM;
	hosts->n++;
	return 0;
}

static int line_add(struct rmdt_hosts *hosts, struct rmdt_span line, unsigned number,
		    struct rmdt_fault *fault)
{
	char host[RMDT_HOSTS_NAME_BYTES];
	struct pin pin = { .host = host, .line = number };
	int r = rmdt_lines_judge(line, fault);

	if (r == 0)
		r = host_parse(rmdt_span_word(&line), host, &pin.port, fault);
	if (r == 0)
		r = rmdt_key_line_parse(&line, RMDT_TRUST_PUBLIC_WORD, pin.pub, fault);
	return r < 0 ? r : list_add(hosts, &pin, fault);
}

int rmdt_hosts_parse(const char *name, const char *text, size_t len, struct rmdt_hosts **out,
		     char err[RMDT_TRUST_ERR_BYTES])
{
	struct rmdt_hosts *hosts = calloc(1, sizeof *hosts);
	struct rmdt_lines lines;
	struct rmdt_span line;
	struct rmdt_fault fault;
	int r = hosts ? 0 : -ENOMEM;

	rmdt_lines_init(&lines, text, len);
	while (r == 0 && rmdt_lines_next(&lines, &line))
		r = line_add(hosts, line, lines.number, &fault);
	if (r == 0) {
		*out = hosts;
		return 0;
	}
	if (r == -EINVAL)
		rmdt_fault_write(&fault, name, lines.number, err, RMDT_TRUST_ERR_BYTES);
	rmdt_hosts_free(hosts);
	return r;
}

void rmdt_hosts_free(struct rmdt_hosts *hosts)
{
	if (!hosts)
		return;
	for (size_t i = 0; i < hosts->n; i++)
		free(hosts->pins[i].host);
	free(hosts->pins);
	free(hosts);
}

enum rmdt_hosts_verdict rmdt_hosts_check(const struct rmdt_hosts *hosts, const char *host,
					 uint16_t port, const uint8_t pub[RMDT_TRUST_KEY_BYTES],
					 unsigned *line)
{
	enum rmdt_hosts_verdict verdict = RMDT_HOSTS_UNKNOWN;
	char plain[RMDT_HOSTS_NAME_BYTES];
	unsigned at = 0;

	if (host_plain((struct rmdt_span){ host, strlen(host) }, plain) < 0)
		plain[0] = '\0';	/* matches no line */
	for (size_t i = 0; i < hosts->n && verdict != RMDT_HOSTS_MATCH; i++) {
		const struct pin *pin = &hosts->pins[i];

		if (pin->port != port || strcmp(pin->host, plain) != 0)
			continue;
		verdict = memcmp(pin->pub, pub, sizeof pin->pub) == 0 ? RMDT_HOSTS_MATCH :
									RMDT_HOSTS_CHANGED;
		at = pin->line;
	}
	if (line)
		*line = at;
	return verdict;
}

bool rmdt_hosts_key(const struct rmdt_hosts *hosts, unsigned line,
		    uint8_t pub[RMDT_TRUST_KEY_BYTES])
{
	for (size_t i = 0; i < hosts->n; i++) {
		if (hosts->pins[i].line != line)
			continue;
		memcpy(pub, hosts->pins[i].pub, RMDT_TRUST_KEY_BYTES);
		return true;
	}
	return false;
}

int rmdt_hosts_format(const char *host, uint16_t port, const uint8_t pub[RMDT_TRUST_KEY_BYTES],
		      char *out, size_t out_cap)
{
	char plain[RMDT_HOSTS_NAME_BYTES];
	char base64[RMDT_TRUST_BASE64_BYTES];
	char line[RMDT_HOSTS_LINE_BYTES];
	struct rmdt_text t;
	bool bracket;

	if (port == 0 || host_plain((struct rmdt_span){ host, strlen(host) }, plain) < 0)
		return -EINVAL;
	bracket = strchr(plain, ':');
	rmdt_trust_base64(pub, base64);
	rmdt_text_init(&t, line, sizeof line);
	rmdt_text_add(&t, bracket ? "[" : "");
	rmdt_text_add(&t, plain);
	rmdt_text_add(&t, bracket ? "]:" : ":");
	rmdt_text_add_u64(&t, port);
	rmdt_text_add(&t, " " RMDT_TRUST_PUBLIC_WORD " ");
	rmdt_text_add(&t, base64);
	rmdt_text_add(&t, "\n");
	if (t.len >= out_cap)
		return -ENOBUFS;
	memcpy(out, line, t.len + 1);
	return (int)t.len;
}
