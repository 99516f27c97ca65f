// Nodes and numbers of a model written as ONNX. See onnx.h.
//
// A node is its NodeProto, encoded as it grows: inputs, attributes, then at its end its result and name.

#include "format/onnx.h"

#include <string.h>

// --------------------------------------------------------------------------------------------------------------- nodes

enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F, ATTRIBUTE_I, ATTRIBUTE_S, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INT, TYPE_STRING, TYPE_INTS = 7 };

twi_onnx_node twi_onnx_node_of(const char *op, const char *in)
{
    twi_onnx_node n = {{0}};
    twi_protobuf_text(&n.text, NODE_OP, op);
    if (in)
        twi_protobuf_text(&n.text, NODE_INPUT, in);
    return n;
}

void twi_onnx_node_in(twi_onnx_node *n, const char *in)
{
    twi_protobuf_text(&n->text, NODE_INPUT, in ? in : "");
}

void twi_onnx_node_int(twi_onnx_node *n, const char *name, int64_t v)
{
    twi_str a = {0};
    twi_protobuf_text(&a, ATTRIBUTE_NAME, name);
    twi_protobuf_int(&a, ATTRIBUTE_I, v);
    twi_protobuf_int(&a, ATTRIBUTE_TYPE, TYPE_INT);
    twi_protobuf_message(&n->text, NODE_ATTRIBUTE, &a);
    twi_str_clear(&a);
}

void twi_onnx_node_float(twi_onnx_node *n, const char *name, double v)
{
    twi_str a = {0};
    twi_protobuf_text(&a, ATTRIBUTE_NAME, name);
    twi_protobuf_float(&a, ATTRIBUTE_F, (float)v);
    twi_protobuf_int(&a, ATTRIBUTE_TYPE, TYPE_FLOAT);
    twi_protobuf_message(&n->text, NODE_ATTRIBUTE, &a);
    twi_str_clear(&a);
}

void twi_onnx_node_text(twi_onnx_node *n, const char *name, const char *v)
{
    twi_str a = {0};
    twi_protobuf_text(&a, ATTRIBUTE_NAME, name);
    twi_protobuf_text(&a, ATTRIBUTE_S, v);
    twi_protobuf_int(&a, ATTRIBUTE_TYPE, TYPE_STRING);
    twi_protobuf_message(&n->text, NODE_ATTRIBUTE, &a);
    twi_str_clear(&a);
}

void twi_onnx_node_ints(twi_onnx_node *n, const char *name, int count, const int64_t *v)
{
    twi_str a = {0};
    twi_protobuf_text(&a, ATTRIBUTE_NAME, name);
    for (int i = 0; i < count; i++)
        twi_protobuf_int(&a, ATTRIBUTE_INTS, v[i]);
    twi_protobuf_int(&a, ATTRIBUTE_TYPE, TYPE_INTS);
    twi_protobuf_message(&n->text, NODE_ATTRIBUTE, &a);
    twi_str_clear(&a);
}

// Ends the node; its result's name (as `out`, or a new one after `label`).
const char *twi_onnx_node_end(twi_onnx *o, twi_onnx_node *n, const char *label, const char *out)
{
    const char *name = out ? out : twi_onnx_new_name(o, label);
    twi_protobuf_text(&n->text, NODE_OUTPUT, name);
    twi_protobuf_text(&n->text, NODE_NAME, name);
    twi_protobuf_message(&o->nodes, 1, &n->text);
    twi_str_clear(&n->text);
    return name;
}

void twi_onnx_identity(twi_onnx *o, const char *from, const char *to)
{
    twi_onnx_node n = twi_onnx_node_of("Identity", from);
    twi_onnx_node_end(o, &n, "", to);
}

// ------------------------------------------------------------------------------------------------------------- numbers

void twi_onnx_push(twi_onnx *o, const twi_onnx_tensor *t)
{
    twi_vec_push(&o->tensors, *t, &o->err);
}

const char *twi_onnx_ints(twi_onnx *o, const char *label, int n, const int64_t *v)
{
    twi_onnx_tensor t = {.name = twi_onnx_new_name(o, label), .shape = TWI_SHAPE(n)};
    memcpy(t.ints, v, (size_t)n * sizeof *v);
    twi_onnx_push(o, &t);
    return t.name;
}

const char *twi_onnx_scalar(twi_onnx *o, const char *label, double v)
{
    float *number = twi_arena_new(&o->texts, 1, sizeof *number, &o->err);
    if (!number)
        return "";
    *number = (float)v;
    twi_onnx_tensor t = {.name = twi_onnx_new_name(o, label), .numbers = number};
    twi_onnx_push(o, &t);
    return t.name;
}
