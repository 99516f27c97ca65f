// The public header from C++17: structs are filled, layers come from names and JSON.

#include "topwork.h"

int main()
{
    tw_err err{};
    tw_context *tw = tw_open(nullptr, &err);
    tw_model_options options{};
    options.tw = tw;
    options.name = "from_cxx";
    options.err = &err;
    tw_model *model = tw_sequential_(&options);
    tw_input(model, tw_shape{3, {8, 8, 3}}, nullptr);
    tw_add(model, tw_layer("Conv2D", R"({"filters": 2, "kernel_size": 3})"));
    tw_add(model, tw_layer("Flatten", nullptr));
    tw_dense_options dense{};
    dense.units = 3;
    dense.activation = "softmax";
    tw_add(model, tw_dense_(&dense));
    tw_compile_options compile{};
    compile.model = model;
    compile.loss = "categorical_crossentropy";
    compile.err = &err;
    tw_status status = tw_compile_(&compile);
    bool right = tw_model_count_params(model).all == 3 * 3 * 3 * 2 + 2 + 6 * 6 * 2 * 3 + 3;
    tw_model_free(model);
    tw_close(tw);
    return right ? tw_status_exit(status) : 1;
}
