// CSV: tables as spreadsheets write them.

#include "testing.h"

#include "codec/csv.h"

// Reads everything as "a|b/c|d".
static void expect_rows(const char *text, const char *expected)
{
    char copy[256], out[256] = "", *field[3];
    snprintf(copy, sizeof copy, "%s", text);
    twi_csv csv = twi_csv_open(copy, strlen(copy));
    size_t n;
    while ((n = twi_csv_row(&csv, field, 3)))
        for (size_t i = 0; i < n; i++) {
            strncat(out, i ? "|" : *out ? "/" : "", sizeof out - strlen(out) - 1);
            strncat(out, field[i], sizeof out - strlen(out) - 1);
        }
    assert_string_equal(out, expected);
}

static void rows_are_cut_at_separators_and_line_ends(void **state)
{
    (void)state;
    expect_rows("a,b\nc,d\n", "a|b/c|d");
    expect_rows("a,b\r\nc,d", "a|b/c|d");
    expect_rows("a,b\rc,d\r", "a|b/c|d");
    expect_rows("\xEF\xBB\xBF"
                "a;b\nc;d,e",
                "a|b/c|d,e");
    expect_rows("a\tb\nc\t", "a|b/c|");
    expect_rows("", "");
    expect_rows("\n\n ,\n\n", ""); // blank rows do not count
    expect_rows("a,b,c,d,e\nf", "a|b|c/f");
}

static void quotes_protect_what_is_in_them(void **state)
{
    (void)state;
    expect_rows("\"a,b\",\"c \"\"d\"\"\"\n", "a,b|c \"d\"");
    expect_rows("\"two\nlines\",b\nc,d", "two\nlines|b/c|d");
    expect_rows(" \" kept \" , cut \n", " kept |cut");
    expect_rows("\"never closed, \nx", "never closed, \nx");
    expect_rows("a\"b,c", "a\"b|c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_cut_at_separators_and_line_ends),
        cmocka_unit_test(quotes_protect_what_is_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
