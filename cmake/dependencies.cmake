# The libraries topwork stands on; the Debian packages that hold them are listed in packages.txt.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
# oneDNN by hand: Debian's CMake package also asks for OpenCL. -DTW_DNNL_ROOT=DIR picks another installation.
set(TW_DNNL_ROOT "" CACHE PATH "where oneDNN is installed, if not in the system")
find_path(TW_DNNL_INCLUDE oneapi/dnnl/dnnl.h HINTS ${TW_DNNL_ROOT}/include REQUIRED)
find_library(TW_DNNL dnnl HINTS ${TW_DNNL_ROOT}/lib REQUIRED)
set(TW_PKG_MODULES jansson libjpeg libpng libwebp libwebpdemux libcrypto libxxhash zlib)
pkg_check_modules(TW_LIBS REQUIRED IMPORTED_TARGET ${TW_PKG_MODULES})
find_library(TW_GIF gif REQUIRED)
pkg_check_modules(TW_HEIF IMPORTED_TARGET libheif)
pkg_check_modules(TW_CURL IMPORTED_TARGET libcurl)

add_library(tw_dependencies INTERFACE)
target_link_libraries(tw_dependencies INTERFACE PkgConfig::TW_LIBS ${TW_GIF} ${TW_DNNL} OpenMP::OpenMP_C Threads::Threads
                                                ${CMAKE_DL_LIBS} m)
target_include_directories(tw_dependencies SYSTEM INTERFACE ${TW_DNNL_INCLUDE})
if(TW_HEIF_FOUND)  # optional: HEIC photos; the library is loaded when the first one is met
  target_compile_definitions(tw_dependencies INTERFACE TW_HAVE_HEIF)
  target_include_directories(tw_dependencies INTERFACE ${TW_HEIF_INCLUDE_DIRS})
endif()
if(TW_CURL_FOUND)  # optional: `topwork fetch`; the library is loaded then
  target_compile_definitions(tw_dependencies INTERFACE TW_HAVE_CURL)
  target_include_directories(tw_dependencies INTERFACE ${TW_CURL_INCLUDE_DIRS})
endif()
