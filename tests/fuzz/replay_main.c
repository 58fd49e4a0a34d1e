/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main of a fuzz target that is built without libFuzzer: gives the target every file named on
 * the command line and every file in the directories named there. Options of libFuzzer (-runs=0)
 * are ignored.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* libFuzzer's own default is 4 KiB; none of our inputs is longer than the largest datagram. */
#define INPUT_MAX_BYTES (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int files_seen;

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX_BYTES);
	uint8_t *input = NULL;
	size_t size;
	int ret = -1;

	if (!f || !data) {
		fprintf(stderr, "replay: cannot open '%s': %s\n", path, strerror(errno));
		goto out;
	}
	size = fread(data, 1, INPUT_MAX_BYTES, f);
	/* An exact allocation, so that a sanitizer sees the first byte read past the end. */
	input = malloc(size ? size : 1);
	if (!input)
		goto out;
	memcpy(input, data, size);
	LLVMFuzzerTestOneInput(input, size);
	files_seen++;
	ret = 0;
out:
	free(input);
	free(data);
	if (f)
		fclose(f);
	return ret;
}

static int replay_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[PATH_MAX];
	int ret = 0;

	if (!dir) {
		fprintf(stderr, "replay: cannot open '%s': %s\n", path, strerror(errno));
		return -1;
	}
	while (ret == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name))
			ret = -1;
		else
			ret = replay_file(name);
	}
	closedir(dir);
	return ret;
}

int main(int argc, char **argv)
{
	struct stat st;

	for (int i = 1; i < argc; i++) {
		int ret;

		if (argv[i][0] == '-')
			continue;
		if (stat(argv[i], &st)) {
			fprintf(stderr, "replay: no '%s'\n", argv[i]);
			return 2;
		}
		ret = S_ISDIR(st.st_mode) ? replay_dir(argv[i]) : replay_file(argv[i]);
		if (ret)
			return 1;
	}
	printf("%s: %d inputs\n", argv[0], files_seen);
	return files_seen > 0 ? 0 : 1;
}
