# Installation: library with SONAME (and the archive), headers, pkg-config file, CMake package. The pkg-config file finds its
# prefix from where it lies, so the tree may be moved and `cmake --install --prefix` may name any place.
file(RELATIVE_PATH TW_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" TW_PC_PREFIX "${TW_PC_PREFIX}")
string(REPLACE ";" " " TW_PC_REQUIRES "${TW_PKG_MODULES}")
configure_file(cmake/topwork.pc.in topwork.pc @ONLY)
write_basic_package_version_file(topworkConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS topwork EXPORT topworkTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES $<TARGET_FILE:topwork_static> DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME libtopwork.a)
install(EXPORT topworkTargets FILE topworkConfig.cmake NAMESPACE topwork:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/topwork)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/topworkConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/topwork)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/topwork.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
