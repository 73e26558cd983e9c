// A program of C's library: its heap, its strings, its output.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *text = malloc(40);
    if (!text) return 1;
    strcpy(text, "squares");
    int sum = 0;
    for (int i = 0; i < 10; i++) sum += i * i;
    printf("%s %d\n", text, sum);
    free(text);
    return 0;
}
