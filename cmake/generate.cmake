# Files written from the library's own tables, checked in: `cmake --build build/release --target generate` writes them anew,
# the test structure/generated compares.
add_executable(generate_layers ${CMAKE_SOURCE_DIR}/tools/generate_layers.c)
target_include_directories(generate_layers PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(generate_layers PRIVATE tw_warnings topwork_static)
add_custom_target(generate
  COMMAND generate_layers header ${CMAKE_SOURCE_DIR}/include/topwork_layers.h
  COMMAND generate_layers source ${CMAKE_SOURCE_DIR}/src/api/layer_options.c
  COMMENT "include/topwork_layers.h, src/api/layer_options.c")
