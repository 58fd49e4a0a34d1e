/* SPDX-License-Identifier: Apache-2.0 */
#include "core/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/text.h"

#define NAME_MAX_BYTES 253u
#define LABEL_MAX_BYTES 63u
#define DIGITS "0123456789"
/* Longest text of one endpoint that is looked at: a name, brackets and a port, with room. */
#define ITEM_MAX_BYTES 320u

/* A part of the text, not terminated. */
struct part {
	const char *at;
	size_t len;
};

static bool is_all_digits(struct part part)
{
	return part.len > 0 && strspn(part.at, DIGITS) >= part.len;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *check_port(struct part part, uint16_t *port)
{
	uint32_t value = 0;

	if (!is_all_digits(part))
		return "has no port number after the colon";
	for (size_t i = 0; i < part.len && value <= UINT16_MAX; i++)
		value = value * 10 + (uint32_t)(part.at[i] - '0');
	if (value < 1 || value > UINT16_MAX)
		return "has a port outside 1 to 65535";
	*port = (uint16_t)value;
	return NULL;
}

static const char *check_v6(struct part part)
{
	char copy[INET6_ADDRSTRLEN];
	const char *percent = memchr(part.at, '%', part.len);
	size_t len = percent ? (size_t)(percent - part.at) : part.len;
	struct in6_addr ignored;

	if (percent) {
		size_t zone_len = part.len - len - 1;

		if (zone_len == 0 || zone_len >= LABEL_MAX_BYTES)
			return "has no usable zone after '%'";
		for (size_t i = 1; i <= zone_len; i++)
			if (!is_alnum(percent[i]) && !strchr("-_.", percent[i]))
				return "has no usable zone after '%'";
	}
	if (len >= sizeof(copy))
		return "is not an IPv6 address";
	memcpy(copy, part.at, len);
	copy[len] = '\0';
	return inet_pton(AF_INET6, copy, &ignored) == 1 ? NULL : "is not an IPv6 address";
}

/* A name that ends in a number is meant as an address, to resolvers too. */
static const char *check_v4(struct part part)
{
	char copy[INET_ADDRSTRLEN];
	struct in_addr ignored;

	if (part.len >= sizeof(copy))
		return "is not an IPv4 address";
	memcpy(copy, part.at, part.len);
	copy[part.len] = '\0';
	return inet_pton(AF_INET, copy, &ignored) == 1 ? NULL : "is not an IPv4 address";
}

static const char *check_label(struct part label)
{
	if (label.len == 0)
		return "has an empty part in its host name";
	if (label.len > LABEL_MAX_BYTES)
		return "has a part of more than 63 characters in its host name";
	if (label.at[0] == '-' || label.at[label.len - 1] == '-')
		return "has a part that begins or ends with '-' in its host name";
	for (size_t i = 0; i < label.len; i++)
		if (!is_alnum(label.at[i]) && label.at[i] != '-' && label.at[i] != '_')
			return "has a character that no host name can have";
	return NULL;
}

static const char *check_name(struct part part)
{
	struct part label = { part.at, 0 };
	const char *fault;

	if (part.len > NAME_MAX_BYTES)
		return "has a host name of more than 253 characters";
	if (part.len > 1 && part.at[part.len - 1] == '.')
		part.len--;	/* the root, written out */
	for (;;) {
		const char *dot;
		size_t left = (size_t)(part.at + part.len - label.at);

		dot = memchr(label.at, '.', left);
		label.len = dot ? (size_t)(dot - label.at) : left;
		fault = check_label(label);
		if (fault || !dot)
			break;
		label.at = dot + 1;
	}
	if (!fault && is_all_digits(label))
		return label.at == part.at ? "is a number, not a host; a port is written :2312"
					   : check_v4(part);
	return fault;
}

/* Cuts text into host and port; both checked. */
static const char *split(struct part text, unsigned flags, struct part *host, struct part *port)
{
	const char *end = text.at + text.len;
	const char *colon = memchr(text.at, ':', text.len);

	*port = (struct part){ NULL, 0 };
	if (text.len > 0 && text.at[0] == '[') {
		const char *bracket = memchr(text.at, ']', text.len);

		if (!bracket)
			return "has no closing bracket";
		if (bracket + 1 < end && bracket[1] != ':')
			return "has something other than :PORT after the bracket";
		*host = (struct part){ text.at + 1, (size_t)(bracket - text.at - 1) };
		if (bracket + 1 < end)
			*port = (struct part){ bracket + 2, (size_t)(end - bracket - 2) };
		return check_v6(*host);
	}
	if (colon && memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
		*host = text;
		return check_v6(*host);
	}
	*host = (struct part){ text.at, colon ? (size_t)(colon - text.at) : text.len };
	if (colon)
		*port = (struct part){ colon + 1, (size_t)(end - colon - 1) };
	if (!colon && (flags & RMDT_ENDPOINT_BARE_PORT) && is_all_digits(text)) {
		*port = text;
		host->len = 0;
	}
	return host->len > 0 ? check_name(*host) : NULL;
}

static const char *parse_item(struct part text, unsigned flags, struct rmdt_endpoint *out)
{
	struct part host, port;
	const char *fault;

	if (text.len == 0 && !(flags & RMDT_ENDPOINT_EMPTY_OK))
		return "names no host and no port";
	fault = split(text, flags, &host, &port);
	if (!fault && port.at)
		fault = check_port(port, &out->port);
	if (!fault && host.len == 0 && (flags & RMDT_ENDPOINT_NEED_HOST))
		fault = "names no host";
	if (fault)
		return fault;
	assert(host.len < sizeof(out->host));
	memcpy(out->host, host.at, host.len);
	out->host[host.len] = '\0';
	out->has_port = port.at != NULL;
	return NULL;
}

static int parse_part(struct part text, unsigned flags, uint16_t default_port,
		      struct rmdt_endpoint *out, struct rmdt_text *why)
{
	struct rmdt_endpoint ep = { .port = default_port };
	const char *fault = "is too long";

	if (text.len <= ITEM_MAX_BYTES)
		fault = parse_item(text, flags, &ep);
	if (fault) {
		rmdt_text_add_quoted(why, text.at, text.len);
		rmdt_text_add_char(why, ' ');
		rmdt_text_add(why, fault);
		return -EINVAL;
	}
	*out = ep;
	return 0;
}

int rmdt_endpoint_parse(const char *text, unsigned flags, uint16_t default_port,
			struct rmdt_endpoint *out, char *why, size_t why_bytes)
{
	struct rmdt_text say;

	rmdt_text_init(&say, why, why_bytes);
	return parse_part((struct part){ text, strlen(text) }, flags, default_port, out, &say);
}

static bool is_listed(const struct rmdt_endpoint_list *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list->at[i].host, list->at[n].host) == 0 &&
		    list->at[i].port == list->at[n].port)
			return true;
	return false;
}

int rmdt_endpoint_parse_list(const char *text, struct rmdt_endpoint_list *list, char *why,
			     size_t why_bytes)
{
	struct rmdt_text say;
	size_t n = 0;

	rmdt_text_init(&say, why, why_bytes);
	for (;; text++) {
		struct part part = { text, strcspn(text, ",") };
		const char *fault = NULL;

		if (n == list->max)
			fault = " is one destination too many";
		else if (parse_part(part, list->flags & ~(unsigned)RMDT_ENDPOINT_EMPTY_OK,
				    list->default_port, &list->at[n], &say) < 0)
			return -EINVAL;
		else if (is_listed(list, n))
			fault = " is named twice";
		if (fault) {
			rmdt_text_add_quoted(&say, part.at, part.len);
			rmdt_text_add(&say, fault);
			return -EINVAL;
		}
		n++;
		text += part.len;
		if (*text == '\0')
			break;
	}
	list->n = n;
	return 0;
}

char *rmdt_endpoint_format(const struct rmdt_endpoint *ep, char *buf, size_t buf_bytes)
{
	bool brackets = strchr(ep->host, ':') != NULL;
	struct rmdt_text text;

	rmdt_text_init(&text, buf, buf_bytes);
	if (brackets)
		rmdt_text_add_char(&text, '[');
	rmdt_text_add(&text, ep->host);
	if (brackets)
		rmdt_text_add_char(&text, ']');
	if (ep->port) {
		rmdt_text_add_char(&text, ':');
		rmdt_text_add_u64(&text, ep->port);
	}
	return buf;
}
