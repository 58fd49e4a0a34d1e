/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEXOR_H
#define CLI_DEXOR_H

/* The subcommands of dexor: argv[0] is the subcommand's name. Each returns an exit status. */

#define DEXOR_EXIT_OK 0
#define DEXOR_EXIT_FAILED 1
#define DEXOR_EXIT_USAGE 2

int dexor_tunnel_main(int argc, char **argv);
int dexor_status_main(int argc, char **argv);

#endif
