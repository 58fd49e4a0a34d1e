/* SPDX-License-Identifier: Apache-2.0 */
/* dexor: a table of subcommands, each in a file of its own. */
#include <stdio.h>
#include <string.h>

#include <rmdt/rmdt.h>

#include "cli/dexor.h"

static const struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "tunnel", dexor_tunnel_main, "carry TCP and UDP between two relays" },
	{ "status", dexor_status_main, "what is running, and how it fares" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
	puts("dexor moves data over RMDT: reliable, encrypted, over long and lossy paths.\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  dexor %-20s  %s\n", commands[i].name, commands[i].help);
	puts("\ndexor COMMAND --help tells more; dexor --version prints the version.");
	return DEXOR_EXIT_OK;
}

static int run(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;

	if (word == NULL) {
		fputs("dexor: nothing to do: a command is wanted; try dexor --help\n", stderr);
		return DEXOR_EXIT_USAGE;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return print_help();
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("dexor %s\n", rmdt_version());
		return DEXOR_EXIT_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	}
	fprintf(stderr, "dexor: unknown command \"%.64s\"; try dexor --help\n", word);
	return DEXOR_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	if (fflush(stdout) != 0 && status == DEXOR_EXIT_OK)
		status = DEXOR_EXIT_FAILED;
	return status;
}
