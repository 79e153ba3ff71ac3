/* A plugin in C, of all three kinds: as a preflight it says no while a file is there, told of a
 * failure or of a success it writes the whole payload as one line into a notebook.
 *
 *     cc -O2 -o ~/.config/dotagent/plugins/dotagent-plugin-notebook-c notebook.c
 *
 *     [[on_failure]]
 *     plugin = "notebook-c"
 *     config = { path = "/home/you/notebook" }
 *
 * Try it: dotagent plugin check ~/.config/dotagent/plugins/dotagent-plugin-notebook-c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *slurp(void)
{
    size_t size = 0, room = 65536;
    char *text = malloc(room);
    while (text != NULL) {
        size_t got = fread(text + size, 1, room - size - 1, stdin);
        size += got;
        if (got == 0)
            break;
        if (size + 1 == room)
            text = realloc(text, room *= 2);
    }
    if (text == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    text[size] = '\0';
    return text;
}

/* The value of one key of the configuration, or NULL. The payload is compact JSON, and a quote
 * inside a text is always escaped: what is found is the key itself. No escapes are taken in it. */
static char *value(const char *said, const char *key)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":\"", key);
    const char *from = strstr(said, wanted);
    if (from == NULL)
        return NULL;
    from += strlen(wanted);
    size_t length = strcspn(from, "\"\\");
    if (length == 0 || from[length] != '"')
        return NULL;
    return strndup(from, length);
}

static int answer(const char *text)
{
    puts(text);
    return 0;
}

static int invoke(const char *said)
{
    const char *preflight = "{\"kind\":\"preflight\"";
    char *stop = value(said, "stop"), *path = value(said, "path");
    if (strncmp(said, preflight, strlen(preflight)) == 0 && stop != NULL && access(stop, F_OK) == 0)
        return answer("{\"ok\":false,\"error\":\"there is a stop file\",\"suggest\":\"remove it\"}");
    FILE *notebook = path == NULL ? NULL : fopen(path, "a");
    if (notebook == NULL || fprintf(notebook, "%s\n", said) < 0 || fclose(notebook) != 0)
        return answer("{\"ok\":false,\"error\":\"the notebook cannot be written\"}");
    return answer("{\"ok\":true}");
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "none";
    if (strcmp(verb, "info") == 0)
        return answer("{\"name\":\"notebook-c\",\"version\":\"1.0\","
                      "\"kinds\":[\"preflight\",\"notify\",\"sink\"]}");
    if (strcmp(verb, "validate") == 0)
        return answer(value(slurp(), "path") != NULL
                          ? "{\"ok\":true}"
                          : "{\"ok\":false,\"error\":\"path is required\"}");
    if (strcmp(verb, "invoke") == 0)
        return invoke(slurp());
    fprintf(stderr, "unknown verb: %s\n", verb);
    return 1;
}
