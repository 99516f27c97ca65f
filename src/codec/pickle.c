// Pickle: the opcodes of protocol 2 that a torch state dict is made of. See pickle.h.
//
// A pickle is a program for a stack machine; ours has no way to run anything: a global is a row of a short table
// (pickle_global.c), calling it builds a dictionary or a tensor, and every other opcode or global is refused by name.
// Source   Python's pickletools.

#include "codec/pickle_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MARK UINT32_MAX // on the stack, between values

tw_status twi_pickle_refuse(twi_pickle *p, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return twi_fail_at(p->err, TW_EMALFORMED, p->source->name, (int64_t)p->at, "%s: %s", p->source->name,
                       text);
}

// ------------------------------------------------------------------------------------------------------------- bytes

static tw_status take_bytes(twi_pickle *p, void *dst, size_t n)
{
    if (p->at >= p->cached && p->at - p->cached <= p->n_cached && n <= p->n_cached - (p->at - p->cached)) {
        memcpy(dst, p->buf + (p->at - p->cached), n);
    } else if (n > sizeof p->buf / 2) {
        tw_status status = twi_source_read(p->source, p->at, dst, n, p->err);
        if (status)
            return status;
    } else {
        uint64_t left = p->at < p->source->size ? p->source->size - p->at : 0;
        size_t fill = left < sizeof p->buf ? (size_t)left : sizeof p->buf;
        p->n_cached = 0;
        tw_status status = twi_source_read(p->source, p->at, p->buf, fill > n ? fill : n, p->err);
        if (status)
            return status;
        p->cached = p->at;
        p->n_cached = fill;
        memcpy(dst, p->buf, n);
    }
    p->at += n;
    return TW_OK;
}

static tw_status take_number(twi_pickle *p, int bytes, uint64_t *v)
{
    uint8_t raw[8];
    tw_status status = take_bytes(p, raw, (size_t)bytes);
    *v = 0;
    for (int i = bytes; !status && i-- > 0;)
        *v = *v << 8 | raw[i];
    return status;
}

// n bytes as a text of the arena.
static tw_status take_text(twi_pickle *p, uint64_t n, const char **text)
{
    if (n > p->source->size)
        return twi_pickle_refuse(p, "a text of %llu bytes, more than the file has", (unsigned long long)n);
    tw_status status = twi_source_spend(p->source, n + 32, 1, p->err);
    if (status)
        return status;
    char *copy = twi_arena_new(&p->arena, (size_t)n + 1, 1, p->err);
    *text = copy;
    return copy ? take_bytes(p, copy, (size_t)n) : TW_ENOMEM;
}

static tw_status take_line(twi_pickle *p, char *line, size_t size)
{
    for (size_t n = 0; n < size; n++) {
        tw_status status = take_bytes(p, line + n, 1);
        if (status)
            return status;
        if (line[n] == '\n') {
            line[n] = 0;
            return TW_OK;
        }
    }
    return twi_pickle_refuse(p, "a global's name of more than %zu bytes", size);
}

// ------------------------------------------------------------------------------------------------------------ values

tw_status twi_pickle_add(twi_pickle *p, twi_pickle_value value, uint32_t *number)
{
    *number = 0;
    tw_status status = twi_source_spend(p->source, 1, sizeof value, p->err);
    if (status)
        return status;
    if (p->values.n >= MARK - 1)
        return twi_pickle_refuse(p, "too many values");
    *number = (uint32_t)p->values.n;
    return twi_vec_push(&p->values, value, p->err) ? TW_OK : TW_ENOMEM;
}

tw_status twi_pickle_append(twi_pickle *p, uint32_t container, const uint32_t *items, size_t n)
{
    twi_pickle_value *v = &p->values.at[container];
    if (!n)
        return TW_OK;
    if (n > UINT32_MAX / 2 - v->n)
        return twi_pickle_refuse(p, "too many items");
    size_t need = v->n + n;
    if (need > v->cap) {
        size_t cap = need < 4 ? 4 : need > v->cap + v->cap / 2 ? need : v->cap + v->cap / 2;
        tw_status status = twi_source_spend(p->source, cap - v->cap, sizeof *items, p->err);
        if (status)
            return status;
        uint32_t *grown = twi_resize(v->is.items, cap, sizeof *grown, "a pickle's list", p->err);
        if (!grown)
            return TW_ENOMEM;
        v->is.items = grown;
        v->cap = (uint32_t)cap;
    }
    memcpy(v->is.items + v->n, items, n * sizeof *items);
    v->n = (uint32_t)need;
    return TW_OK;
}

const twi_pickle_value *twi_pickle_get(const twi_pickle *p, const twi_pickle_value *dict, const char *key)
{
    for (uint32_t i = 0; dict->kind == TWI_PICKLE_DICT && i + 1 < dict->n; i += 2) {
        const twi_pickle_value *k = &p->values.at[dict->is.items[i]];
        if (k->kind == TWI_PICKLE_TEXT && !strcmp(k->is.text, key))
            return &p->values.at[dict->is.items[i + 1]];
    }
    return NULL;
}

// ------------------------------------------------------------------------------------------------------------- stack

static tw_status push(twi_pickle *p, uint32_t number)
{
    tw_status status = twi_source_spend(p->source, 1, sizeof number, p->err);
    if (status)
        return status;
    return twi_vec_push(&p->stack, number, p->err) ? TW_OK : TW_ENOMEM;
}

static tw_status push_value(twi_pickle *p, twi_pickle_value value)
{
    uint32_t number = 0;
    tw_status status = twi_pickle_add(p, value, &number);
    return status ? status : push(p, number);
}

// The n-th value from the top, which must be one.
static tw_status peek(twi_pickle *p, size_t n, uint32_t *number)
{
    *number = 0;
    if (n >= p->stack.n || p->stack.at[p->stack.n - 1 - n] == MARK)
        return twi_pickle_refuse(p, "its program takes a value that is not there");
    *number = p->stack.at[p->stack.n - 1 - n];
    return TW_OK;
}

// First stack place above the last mark.
static tw_status find_mark(twi_pickle *p, size_t *above)
{
    for (size_t i = p->stack.n; i-- > 0;)
        if (p->stack.at[i] == MARK) {
            *above = i + 1;
            return TW_OK;
        }
    return twi_pickle_refuse(p, "its program takes a mark that is not there");
}

static tw_status make_tuple(twi_pickle *p, size_t n, size_t n_drop)
{
    uint32_t number = 0, unused;
    for (size_t i = 0; i < n; i++) {
        tw_status status = peek(p, i, &unused);
        if (status)
            return status;
    }
    tw_status status = twi_pickle_add(p, (twi_pickle_value){.kind = TWI_PICKLE_TUPLE}, &number);
    if (!status && n)
        status = twi_pickle_append(p, number, p->stack.at + p->stack.n - n, n);
    if (status)
        return status;
    p->stack.n -= n_drop;
    return push(p, number);
}

static tw_status tuple_of_marked(twi_pickle *p)
{
    size_t above = 0;
    tw_status status = find_mark(p, &above);
    return status ? status : make_tuple(p, p->stack.n - above, p->stack.n - above + 1);
}

// Items above `above` go into the container below them (and below a mark, if they were marked).
static tw_status fill(twi_pickle *p, twi_pickle_kind kind, size_t above, bool is_marked)
{
    size_t n = p->stack.n - above, below = above - is_marked;
    if (!below || p->stack.at[below - 1] == MARK || p->values.at[p->stack.at[below - 1]].kind != kind ||
        (kind == TWI_PICKLE_DICT && n % 2))
        return twi_pickle_refuse(p, "its program puts items into what is no %s",
                                 kind == TWI_PICKLE_DICT ? "dictionary" : "list");
    tw_status status = twi_pickle_append(p, p->stack.at[below - 1], p->stack.at + above, n);
    p->stack.n = below;
    return status;
}

static tw_status fill_marked(twi_pickle *p, twi_pickle_kind kind)
{
    size_t above = 0;
    tw_status status = find_mark(p, &above);
    return status ? status : fill(p, kind, above, true);
}

static tw_status fill_last(twi_pickle *p, twi_pickle_kind kind, size_t n)
{
    uint32_t unused = 0;
    for (size_t i = 0; i <= n; i++) {
        tw_status status = peek(p, i, &unused);
        if (status)
            return status;
    }
    return fill(p, kind, p->stack.n - n, false);
}

// -------------------------------------------------------------------------------------------------------------- memo

static tw_status put_memo(twi_pickle *p, int bytes)
{
    uint64_t i = 0;
    uint32_t top = 0;
    tw_status status = take_number(p, bytes, &i);
    if (!status)
        status = peek(p, 0, &top);
    // Writers count from 0 or 1, so a number the file has no bytes for is none of theirs.
    if (!status && i > p->source->size)
        status = twi_pickle_refuse(p, "memo number %llu is out of range", (unsigned long long)i);
    if (!status && i >= p->memo.n)
        status = twi_source_spend(p->source, i + 1 - p->memo.n, sizeof top, p->err);
    if (!status && !twi_vec_reserve(&p->memo, (size_t)i + 1, p->err))
        status = TW_ENOMEM;
    if (status)
        return status;
    while (p->memo.n <= i)
        p->memo.at[p->memo.n++] = MARK;
    p->memo.at[i] = top;
    return TW_OK;
}

static tw_status get_memo(twi_pickle *p, int bytes)
{
    uint64_t i = 0;
    tw_status status = take_number(p, bytes, &i);
    if (!status && (i >= p->memo.n || p->memo.at[i] == MARK))
        status = twi_pickle_refuse(p, "memo number %llu was never set", (unsigned long long)i);
    return status ? status : push(p, p->memo.at[i]);
}

// ----------------------------------------------------------------------------------------------------------- opcodes

static tw_status push_int(twi_pickle *p, int bytes)
{
    uint64_t v = 0;
    tw_status status = take_number(p, bytes, &v);
    int64_t value = bytes == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
    return status ? status : push_value(p, (twi_pickle_value){.kind = TWI_PICKLE_INT, .is.integer = value});
}

static tw_status push_text(twi_pickle *p, int bytes, twi_pickle_kind kind)
{
    uint64_t n = 0;
    const char *text = NULL;
    tw_status status = take_number(p, bytes, &n);
    if (!status)
        status = take_text(p, n, &text);
    if (!status && kind == TWI_PICKLE_TEXT && strlen(text) != n)
        status = twi_pickle_refuse(p, "a text with a zero byte");
    return status ? status
                  : push_value(p, (twi_pickle_value){.kind = kind, .n = (uint32_t)n, .is.text = text});
}

// LONG1: n little-endian bytes of two's complement.
static tw_status push_long(twi_pickle *p)
{
    tw_status status = push_text(p, 1, TWI_PICKLE_LONG);
    if (status)
        return status;
    twi_pickle_value *v = &p->values.at[p->values.n - 1];
    if (v->n > 8)
        return TW_OK;
    const uint8_t *bytes = (const uint8_t *)v->is.text;
    uint64_t value = v->n && bytes[v->n - 1] & 128 ? UINT64_MAX : 0;
    for (uint32_t i = v->n; i-- > 0;)
        value = value << 8 | bytes[i];
    *v = (twi_pickle_value){.kind = TWI_PICKLE_INT, .is.integer = (int64_t)value};
    return TW_OK;
}

static tw_status push_float(twi_pickle *p)
{
    uint64_t v = 0;
    tw_status status = take_number(p, 8, &v);
    double number;
    v = __builtin_bswap64(v);
    memcpy(&number, &v, sizeof number);
    return status ? status : push_value(p, (twi_pickle_value){.kind = TWI_PICKLE_FLOAT, .is.number = number});
}

static tw_status push_global(twi_pickle *p)
{
    char module[128], name[128];
    tw_status status = take_line(p, module, sizeof module);
    if (!status)
        status = take_line(p, name, sizeof name);
    if (status)
        return status;
    int row = twi_pickle_global(module, name);
    if (row < 0)
        return twi_pickle_refuse(p,
                                 "refuses global '%s.%s': a weights file needs no such thing"
                                 "\nsave the weights alone: torch.save(model.state_dict(), path)",
                                 module, name);
    return push_value(p, (twi_pickle_value){.kind = TWI_PICKLE_GLOBAL, .is.integer = row});
}

static tw_status call(twi_pickle *p)
{
    uint32_t arguments = 0, callee = 0, result = 0;
    tw_status status = peek(p, 0, &arguments);
    if (!status)
        status = peek(p, 1, &callee);
    if (status)
        return status;
    const twi_pickle_value *f = &p->values.at[callee];
    if (f->kind != TWI_PICKLE_GLOBAL || p->values.at[arguments].kind != TWI_PICKLE_TUPLE)
        return twi_pickle_refuse(p, "its program calls what cannot be called");
    status = twi_pickle_call(p, (int)f->is.integer, arguments, &result);
    p->stack.n -= 2;
    return status ? status : push(p, result);
}

// BUILD: attributes of an object. A state dict carries its versions there; nobody needs them.
static tw_status build(twi_pickle *p)
{
    uint32_t state = 0, object = 0;
    tw_status status = peek(p, 0, &state);
    if (!status)
        status = peek(p, 1, &object);
    if (!status && p->values.at[object].kind != TWI_PICKLE_DICT)
        status = twi_pickle_refuse(p, "its program sets attributes of what is no dictionary");
    if (!status)
        p->stack.n--;
    return status;
}

static tw_status persistent(twi_pickle *p)
{
    uint32_t id = 0, result = 0;
    tw_status status = peek(p, 0, &id);
    if (!status)
        status = twi_pickle_storage_of(p, id, &result);
    if (status)
        return status;
    p->stack.n--;
    return push(p, result);
}

static tw_status check_protocol(twi_pickle *p)
{
    uint64_t protocol = 0;
    tw_status status = take_number(p, 1, &protocol);
    if (!status && protocol != 2)
        status = twi_pickle_refuse(p, "pickle protocol %d, expected 2 (torch.save's default)", (int)protocol);
    return status;
}

static tw_status refuse_opcode(twi_pickle *p, uint8_t op)
{
    static const struct {
        uint8_t op;
        const char *name;
    } names[] = {{'i', "INST"},          {'o', "OBJ"},      {0x81, "NEWOBJ"}, {0x92, "NEWOBJ_EX"},
                 {'P', "PERSID"},        {0x82, "EXT1"},    {0x83, "EXT2"},   {0x84, "EXT4"},
                 {0x93, "STACK_GLOBAL"}, {0x95, "FRAME"},   {0x8b, "LONG4"},  {'S', "STRING"},
                 {'V', "UNICODE"},       {'I', "INT"},      {'L', "LONG"},    {'F', "FLOAT"},
                 {'p', "PUT"},           {'g', "GET"},      {'d', "DICT"},    {'l', "LIST"},
                 {'0', "POP"},           {'1', "POP_MARK"}, {'2', "DUP"}};
    const char *name = "unknown";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].op == op)
            name = names[i].name;
    p->at--;
    return twi_pickle_refuse(p, "refuses opcode %s (0x%02x): a weights file needs no such thing", name, op);
}

static tw_status step(twi_pickle *p, uint8_t op)
{
    switch (op) {
    case 0x80:
        return check_protocol(p);
    case '(':
        return push(p, MARK);
    case 'N':
        return push_value(p, (twi_pickle_value){.kind = TWI_PICKLE_NONE});
    case 0x88:
    case 0x89:
        return push_value(p, (twi_pickle_value){.kind = TWI_PICKLE_BOOL, .is.integer = op == 0x88});
    case 'K':
        return push_int(p, 1);
    case 'M':
        return push_int(p, 2);
    case 'J':
        return push_int(p, 4);
    case 0x8a:
        return push_long(p);
    case 'G':
        return push_float(p);
    case 'X':
    case 'T': // Python 2's str
        return push_text(p, 4, TWI_PICKLE_TEXT);
    case 'U':
        return push_text(p, 1, TWI_PICKLE_TEXT);
    case ')':
        return make_tuple(p, 0, 0);
    case 't':
        return tuple_of_marked(p);
    case 0x85:
    case 0x86:
    case 0x87:
        return make_tuple(p, op - 0x84u, op - 0x84u);
    case ']':
        return push_value(p, (twi_pickle_value){.kind = TWI_PICKLE_LIST});
    case '}':
        return push_value(p, (twi_pickle_value){.kind = TWI_PICKLE_DICT});
    case 'a':
        return fill_last(p, TWI_PICKLE_LIST, 1);
    case 'e':
        return fill_marked(p, TWI_PICKLE_LIST);
    case 's':
        return fill_last(p, TWI_PICKLE_DICT, 2);
    case 'u':
        return fill_marked(p, TWI_PICKLE_DICT);
    case 'q':
        return put_memo(p, 1);
    case 'r':
        return put_memo(p, 4);
    case 'h':
        return get_memo(p, 1);
    case 'j':
        return get_memo(p, 4);
    case 'c':
        return push_global(p);
    case 'R':
        return call(p);
    case 'b':
        return build(p);
    case 'Q':
        return persistent(p);
    default:
        return refuse_opcode(p, op);
    }
}

tw_status twi_pickle_run(twi_pickle *p, uint32_t *root)
{
    p->stack.n = 0;
    p->memo.n = 0;
    for (;;) {
        uint8_t op = 0;
        tw_status status = take_bytes(p, &op, 1);
        if (!status && op == '.')
            return peek(p, 0, root);
        if (!status)
            status = step(p, op);
        if (status)
            return status;
    }
}

void twi_pickle_clear(twi_pickle *p)
{
    for (size_t i = 0; i < p->values.n; i++) {
        twi_pickle_kind kind = p->values.at[i].kind;
        if (kind == TWI_PICKLE_TUPLE || kind == TWI_PICKLE_LIST || kind == TWI_PICKLE_DICT)
            twi_free(p->values.at[i].is.items);
    }
    twi_vec_clear(&p->values);
    twi_vec_clear(&p->stack);
    twi_vec_clear(&p->memo);
    twi_vec_clear(&p->storages);
    twi_arena_clear(&p->arena);
}
