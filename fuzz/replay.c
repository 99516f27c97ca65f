// Replays a fuzzer over every file of its corpus folders and files, where libFuzzer is not linked in.

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 1;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    uint8_t *bytes = malloc((size_t)n + 1);
    size_t got = bytes ? fread(bytes, 1, (size_t)n, f) : 0;
    fclose(f);
    if (bytes)
        LLVMFuzzerTestOneInput(bytes, got);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            n += replay_file(argv[i]) == 0;
            continue;
        }
        for (struct dirent *e; (e = readdir(folder));) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            struct stat info;
            if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
                n += replay_file(path) == 0;
        }
        closedir(folder);
    }
    printf("%d files replayed\n", n);
    return n ? 0 : 1; // an empty corpus would be a test that cannot fail
}
