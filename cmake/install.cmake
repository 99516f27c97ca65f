# Installation: library with SONAME, header, pkg-config file, CMake package.
configure_file(cmake/topwork.pc.in topwork.pc @ONLY)
write_basic_package_version_file(topworkConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(TARGETS topwork EXPORT topworkTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT topworkTargets FILE topworkConfig.cmake NAMESPACE topwork:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/topwork)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/topworkConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/topwork)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/topwork.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
