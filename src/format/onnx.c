// .onnx: a model for ONNX Runtime and everything else that reads ONNX. Write only.
//
//   ModelProto   ir_version 8, producer, graph, operator set 18, metadata (labels, pixels)
//   GraphProto   nodes in order, name, initializers, inputs, outputs
// Inputs and outputs are as in Keras, channels last, with an open batch; inside, pictures are turned to channels first
// once (onnx_ops.c). Weights are streamed: only nodes are held in memory. Protocol Buffers end at 2 GiB, and so do these files.
// Source   onnx/onnx.proto, onnx.ai

#include "format/onnx.h"

#include "graph/info.h"

#include <stdio.h>
#include <string.h>

enum {
    MODEL_IR = 1,
    MODEL_PRODUCER,
    MODEL_PRODUCER_VERSION,
    MODEL_GRAPH = 7,
    MODEL_OPSET,
    MODEL_METADATA = 14
};
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { TENSOR_DIM = 1, TENSOR_TYPE, TENSOR_NAME = 8, TENSOR_RAW };
enum { FLOAT = 1, INT64 = 7 };

const char *twi_onnx_new_name(twi_onnx *o, const char *label)
{
    char name[256];
    snprintf(name, sizeof name, "%.*s/%d", (int)strcspn(label, "/"), label, o->n_names++);
    const char *copy = twi_arena_strdup(&o->texts, name, &o->err);
    return copy ? copy : "";
}

// ------------------------------------------------------------------------------------------------- inputs and outputs

static const char *layer_name(const tw_model *m, twi_tensor t)
{
    return m->layers.at[m->nodes.at[t.node].layer]->name;
}

// Name, type and shape of an input or output; the first axis is open.
static void put_value(twi_str *graph, int field, const char *name, const tw_shape *shape)
{
    twi_str dims = {0}, tensor = {0}, type = {0}, value = {0};
    for (int i = 0; i < shape->rank; i++) {
        twi_str dim = {0};
        if (i)
            twi_protobuf_int(&dim, 1, shape->dim[i]);
        else
            twi_protobuf_text(&dim, 2, "batch");
        twi_protobuf_message(&dims, 1, &dim);
        twi_str_clear(&dim);
    }
    twi_protobuf_int(&tensor, 1, FLOAT);
    twi_protobuf_message(&tensor, 2, &dims);
    twi_protobuf_message(&type, 1, &tensor);
    twi_protobuf_text(&value, 1, name);
    twi_protobuf_message(&value, 2, &type);
    twi_protobuf_message(graph, field, &value);
    twi_str_clear(&dims);
    twi_str_clear(&tensor);
    twi_str_clear(&type);
    twi_str_clear(&value);
}

static void name_inputs(twi_onnx *o, twi_str *ends)
{
    for (size_t i = 0; i < o->x->program.values.n; i++) {
        const twi_value_info *info = &o->x->program.values.at[i];
        if (info->kind != TWI_VALUE_INPUT)
            continue;
        o->name[i][TWI_ONNX_LAST] = layer_name(o->x->model, o->x->model->inputs.at[info->index]);
        put_value(ends, GRAPH_INPUT, o->name[i][TWI_ONNX_LAST], &info->shape);
    }
}

static bool is_end(const twi_onnx *o, int before, const char *name)
{
    const tw_model *m = o->x->model;
    bool found = false;
    for (size_t i = 0; i < m->inputs.n; i++)
        found = found || strcmp(layer_name(m, m->inputs.at[i]), name) == 0;
    for (int i = 0; i < before; i++)
        found = found || strcmp(layer_name(m, m->outputs.at[i]), name) == 0;
    return found;
}

static void name_outputs(twi_onnx *o, twi_str *ends)
{
    for (int i = 0; i < o->x->n_out && !o->err.status; i++) {
        const char *name = layer_name(o->x->model, o->x->model->outputs.at[i]);
        char numbered[256];
        snprintf(numbered, sizeof numbered, is_end(o, i, name) ? "%.200s_%d" : "%.200s", name, i);
        if (twi_export_numbers(o->x, o->x->out[i])) {
            twi_fail(&o->err, TW_EUNSUPPORTED,
                     "not supported yet: an output that depends on no input as ONNX");
            return;
        }
        twi_onnx_identity(o, twi_onnx_name(o, o->x->out[i], TWI_ONNX_LAST), numbered);
        put_value(ends, GRAPH_OUTPUT, numbered, twi_export_shape(o->x, o->x->out[i]));
    }
}

// ------------------------------------------------------------------------------------------------------------- tensors

static uint64_t bytes_of(const twi_onnx_tensor *t)
{
    return (uint64_t)twi_shape_count(&t->shape) * (t->numbers ? sizeof(float) : sizeof(int64_t));
}

// Everything but the numbers, and the head of these.
static void put_tensor_head(const twi_onnx_tensor *t, twi_str *head)
{
    for (int i = 0; i < t->shape.rank; i++)
        twi_protobuf_int(head, TENSOR_DIM, t->shape.dim[i]);
    twi_protobuf_int(head, TENSOR_TYPE, t->numbers ? FLOAT : INT64);
    twi_protobuf_text(head, TENSOR_NAME, t->name);
    twi_protobuf_head(head, TENSOR_RAW, bytes_of(t));
}

static void put_turned(twi_stream *s, const twi_onnx_tensor *t, tw_err *err)
{
    int64_t step[4] = {t->from.dim[1] * t->from.dim[2] * t->from.dim[3], t->from.dim[2] * t->from.dim[3],
                       t->from.dim[3], 1};
    const int64_t *n = t->shape.dim;
    size_t line = (size_t)(n[1] * n[2] * n[3]), at;
    float *buffer = twi_new(line + 1, sizeof *buffer, "weights", err);
    for (int64_t a = 0; buffer && a < n[0]; a++) {
        at = 0;
        for (int64_t b = 0; b < n[1]; b++)
            for (int64_t c = 0; c < n[2]; c++)
                for (int64_t d = 0; d < n[3]; d++)
                    buffer[at++] = t->numbers[a * step[t->order[0]] + b * step[t->order[1]] +
                                              c * step[t->order[2]] + d * step[t->order[3]]];
        twi_stream_put(s, buffer, line * sizeof *buffer);
    }
    twi_free(buffer);
}

static void put_tensor(twi_stream *s, const twi_onnx_tensor *t, tw_err *err)
{
    twi_str head = {0}, outer = {0};
    put_tensor_head(t, &head);
    twi_protobuf_head(&outer, GRAPH_TENSOR, head.n + bytes_of(t));
    if (head.failed || outer.failed) {
        twi_fail_memory(err, 0, "a tensor's name");
    } else {
        twi_stream_put(s, outer.text, outer.n);
        twi_stream_put(s, head.text, head.n);
        if (t->is_turned)
            put_turned(s, t, err);
        else
            twi_stream_put(s, t->numbers ? (const void *)t->numbers : t->ints, bytes_of(t));
    }
    twi_str_clear(&head);
    twi_str_clear(&outer);
}

// Bytes of all tensors as fields of the graph.
static uint64_t tensors_size(const twi_onnx *o)
{
    uint64_t n = 0;
    for (size_t i = 0; i < o->tensors.n; i++) {
        twi_str head = {0}, outer = {0};
        put_tensor_head(&o->tensors.at[i], &head);
        twi_protobuf_head(&outer, GRAPH_TENSOR, head.n + bytes_of(&o->tensors.at[i]));
        n += outer.n + head.n + bytes_of(&o->tensors.at[i]);
        twi_str_clear(&head);
        twi_str_clear(&outer);
    }
    return n;
}

// ------------------------------------------------------------------------------------------------------------- writing

static void put_metadata(twi_str *model, const char *key, const char *value)
{
    twi_str entry = {0};
    twi_protobuf_text(&entry, 1, key);
    twi_protobuf_text(&entry, 2, value);
    twi_protobuf_message(model, MODEL_METADATA, &entry);
    twi_str_clear(&entry);
}

static void put_rest(const tw_model *m, twi_str *rest, tw_err *err)
{
    twi_str opset = {0};
    twi_protobuf_text(&opset, 1, "");
    twi_protobuf_int(&opset, 2, 18);
    twi_protobuf_message(rest, MODEL_OPSET, &opset);
    twi_str_clear(&opset);
    put_metadata(rest, "pixels", twi_export_pixels(m));
    const json_t *labels = json_object_get(m->info, "labels");
    char *text = labels ? twi_json_text(labels, 0, err) : NULL;
    if (text)
        put_metadata(rest, "labels", text);
    twi_free(text);
}

static tw_status write_file(twi_onnx *o, const twi_str *ends, const char *path, tw_err *err)
{
    twi_str head = {0}, name = {0}, rest = {0};
    tw_err own = {0};
    twi_protobuf_text(&name, GRAPH_NAME, o->x->model->name);
    put_rest(o->x->model, &rest, &own);
    twi_protobuf_int(&head, MODEL_IR, 8);
    twi_protobuf_text(&head, MODEL_PRODUCER, "topwork");
    twi_protobuf_text(&head, MODEL_PRODUCER_VERSION, tw_version());
    uint64_t n = o->nodes.n + name.n + tensors_size(o) + ends->n;
    twi_protobuf_head(&head, MODEL_GRAPH, n);
    if (head.failed || name.failed || rest.failed || ends->failed || o->nodes.failed)
        twi_fail_memory(&own, 0, "a graph");
    if (n + head.n + rest.n > INT32_MAX)
        twi_fail(&own, TW_EUNSUPPORTED,
                 "not supported yet: an ONNX file of %.1f GB; the format ends at 2 GB without external data",
                 (double)n * 1e-9);
    if (!own.status) {
        twi_stream s;
        twi_stream_open(&s, path);
        twi_stream_put(&s, head.text, head.n);
        twi_stream_put(&s, o->nodes.text, o->nodes.n);
        twi_stream_put(&s, name.text, name.n);
        for (size_t i = 0; i < o->tensors.n && !own.status; i++)
            put_tensor(&s, &o->tensors.at[i], &own);
        twi_stream_put(&s, ends->text, ends->n);
        twi_stream_put(&s, rest.text, rest.n);
        twi_stream_finish(&s, own.status, &own);
    }
    twi_str_clear(&head);
    twi_str_clear(&name);
    twi_str_clear(&rest);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}

static tw_status onnx_write(const tw_model *m, const char *path, tw_err *err)
{
    twi_export x = {0};
    twi_onnx o = {.x = &x};
    twi_str ends = {0};
    if (!twi_export_new(m, 1, &x, &o.err))
        o.name = twi_new(x.program.values.n, sizeof *o.name, "names", &o.err);
    if (o.name) {
        name_inputs(&o, &ends);
        for (size_t i = 0; i < x.program.ops.n && !o.err.status; i++)
            twi_onnx_op(&o, &x.program.ops.at[i]);
        name_outputs(&o, &ends);
    }
    tw_status status = o.err.status ? o.err.status : write_file(&o, &ends, path, &o.err);
    if (o.err.status && err && !err->status)
        *err = o.err;
    twi_str_clear(&ends);
    twi_str_clear(&o.nodes);
    twi_vec_clear(&o.tensors);
    twi_arena_clear(&o.texts);
    twi_free(o.name);
    twi_export_clear(&x);
    return status;
}

const twi_format twi_format_onnx = {
    .name = "onnx", .doc = "ONNX", .suffix = ".onnx", .write_model = onnx_write};
