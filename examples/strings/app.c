/* What an ordinary program does with its heap: the program of docs/memory.md's figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *s[20];
    unsigned sum = 0;
    for (int i = 0; i < 20; i++) {
        s[i] = malloc(16 + i);
        snprintf(s[i], 16 + i, "string %d of 20", i);
    }
    for (int i = 0; i < 20; i++) {
        printf("%s\n", s[i]);
        sum = sum * 31 + strlen(s[i]);
    }
    for (int i = 0; i < 20; i++)
        free(s[i]);
    printf("sum %u\n", sum);
    return 0;
}
