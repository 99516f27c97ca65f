// Facts about a terminal, and texts that fit it.

#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

bool cli_is_tty(FILE *out)
{
    return isatty(fileno(out)) && strcmp(env("TERM"), "dumb") != 0;
}

bool cli_has_colour(FILE *out)
{
    return cli_is_tty(out) && !*env("NO_COLOR");
}

// Without a locale (containers) terminals of today still show UTF-8, so only another charset named outright counts.
bool cli_is_utf8(void)
{
    const char *locale = *env("LC_ALL") ? env("LC_ALL") : *env("LC_CTYPE") ? env("LC_CTYPE") : env("LANG");
    const char *charset = strchr(locale, '.');
    return !charset || strncasecmp(charset, ".utf-8", 6) == 0 || strncasecmp(charset, ".utf8", 5) == 0;
}

int cli_columns(FILE *out)
{
    struct winsize size = {0};
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    int columns = (int)strtol(env("COLUMNS"), NULL, 10);
    return columns > 0 ? columns : 80;
}

static bool is_start(char byte) // of a UTF-8 character
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

// Characters, not their East Asian widths: our words are narrow, and names of files stand last on their line.
int cli_width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += is_start(*text);
    return n;
}

void cli_cut(char *text, int columns)
{
    for (; *text; text++)
        if (is_start(*text) && columns-- <= 0) {
            *text = 0;
            return;
        }
}

// Names of files may hold escape sequences; they must not reach the terminal.
void cli_visible(char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\n') || *text == 0x7F)
            *text = '?';
}

void cli_wrap(FILE *out, const char *text, int at, int indent, int columns)
{
    bool is_first = true; // no word on this line yet
    while (*text) {
        if (*text == '\n') {
            if (!*++text)
                break;
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            is_first = true;
            continue;
        }
        size_t blanks = strspn(text, " "), word = strcspn(text + blanks, " \n");
        char copy[512];
        snprintf(copy, sizeof copy, "%.*s", (int)word, text + blanks);
        int width = cli_width(copy);
        if (columns > 0 && !is_first && at + (int)blanks + width > columns && indent + width <= columns) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            blanks = strspn(text, " ");
            text += blanks;
            blanks = 0;
        }
        fwrite(text, 1, blanks + word, out);
        at += (int)blanks + width;
        text += blanks + word;
        is_first = false;
    }
}

const char *cli_duration(char *buf, size_t size, double seconds)
{
    long long s = (long long)(seconds + 0.5);
    if (seconds < 9.95)
        snprintf(buf, size, "%.1f s", seconds);
    else if (s < 60)
        snprintf(buf, size, "%lld s", s);
    else if (s < 3600)
        snprintf(buf, size, "%lld min %02lld s", s / 60, s % 60);
    else
        snprintf(buf, size, "%lld h %02lld min", s / 3600, s / 60 % 60);
    return buf;
}

const char *cli_count(char *buf, size_t size, int64_t n)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), first = digits[0] == '-';
    size_t at = 0;
    for (int i = 0; i < length && at + 2 < size; i++) {
        if (i > first && (length - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
