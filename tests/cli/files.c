// What a program of C's library does with files; its output, and what it leaves in /data.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void append(const char *path, const char *mode, const char *text)
{
    FILE *file = fopen(path, mode);
    if (!file) { printf("%s: %s\n", path, strerror(errno)); return; }
    fputs(text, file);
    fclose(file);
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

int main(int count, char **words)
{
    for (int i = 1; i < count; i++) printf("%s ", words[i]);
    printf("LEVEL=%s\n", getenv("LEVEL"));
    append("/data/log.txt", "w", "one\n");
    append("/data/log.txt", "a", "two\n");
    append("/secret", "w", "none");
    append("/data/../secret", "w", "none");
    append("/data/none/x", "w", "none");
    char line[16];
    FILE *file = fopen("/data/log.txt", "r+");
    while (fgets(line, sizeof line, file)) printf("read %s", line);
    fseek(file, 1, SEEK_SET);
    fputs("NE", file);
    fclose(file);
    struct stat found;
    printf("%d ", stat("/data/log.txt", &found));
    printf("%d bytes\n", (int)found.st_size);
    printf("%d %d\n", mkdir("/data/sub", 0777), mkdir("/data/sub", 0777));
    append("/data/sub/left.txt", "w", "left");
    char names[8][16] = {{0}};
    DIR *folder = opendir("/data");
    int seen = 0;
    for (struct dirent *entry; (entry = readdir(folder)) && seen < 8;) strcpy(names[seen++], entry->d_name);
    closedir(folder);
    qsort(names, seen, sizeof names[0], compare);
    for (int i = 0; i < seen; i++) printf("%s ", names[i]);
    printf("%d %d\n", rename("/data/log.txt", "/data/sub/moved.txt"), unlink("/data/sub/left.txt"));
    printf("%d %d\n", rmdir("/data/sub"), rmdir("/data/none"));
    return 5;
}
