# What `cmake --install` puts where, and the Debian package (`cpack -G DEB` in the build folder).
include(GNUInstallDirs)

# The programs find each other beside themselves, so they share a folder; keysluiced is in people's path by a link.
set(KEYSLUICE_LIBEXECDIR ${CMAKE_INSTALL_FULL_LIBEXECDIR}/keysluice)
install(TARGETS keysluiced keysluice-engine keysluice-relay keysluice-keeper
        DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/keysluice)
install(TARGETS nm-keysluice-service DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/keysluice)
# For NetworkManager's clients; where there was no libnm to build it with, they hear that the file is missing.
set(KEYSLUICE_FULL_NM_PLUGINDIR ${CMAKE_INSTALL_FULL_LIBDIR}/NetworkManager)
if(TARGET nm-vpn-plugin-keysluice)
  install(TARGETS nm-vpn-plugin-keysluice DESTINATION ${CMAKE_INSTALL_LIBDIR}/NetworkManager)
endif()
configure_file(units/nm-keysluice-service.name.in ${CMAKE_BINARY_DIR}/units/nm-keysluice-service.name @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/units/nm-keysluice-service.name DESTINATION lib/NetworkManager/VPN)
install(PROGRAMS units/start-engines units/nm-keysluice-auth-dialog DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/keysluice)
file(RELATIVE_PATH to_libexec ${CMAKE_INSTALL_FULL_SBINDIR} ${KEYSLUICE_LIBEXECDIR})
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/units)
file(CREATE_LINK ${to_libexec}/keysluiced ${CMAKE_BINARY_DIR}/units/keysluiced SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/units/keysluiced DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS keysluice DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_BINARY_DIR}/completions/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME keysluice)
install(FILES ${CMAKE_BINARY_DIR}/completions/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
        RENAME _keysluice)
install(FILES ${CMAKE_BINARY_DIR}/completions/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
        RENAME keysluice.fish)

# A unit is what it says of itself and the sandbox that all share.
file(READ units/sandbox.conf KEYSLUICE_SANDBOX)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS units/sandbox.conf)
set(units units/keysluice.target units/keysluice-keeper.socket)
foreach(unit IN ITEMS keysluiced keysluice-engine@ keysluice-relay@ keysluice-keeper)
  configure_file(units/${unit}.service.in ${CMAKE_BINARY_DIR}/units/${unit}.service @ONLY)
  file(APPEND ${CMAKE_BINARY_DIR}/units/${unit}.service "${KEYSLUICE_SANDBOX}")
  list(APPEND units ${CMAKE_BINARY_DIR}/units/${unit}.service)
endforeach()
install(FILES ${units} DESTINATION lib/systemd/system)
install(FILES units/dbus/org.keysluice1.conf units/dbus/nm-keysluice-service.conf
        DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/system.d)
install(FILES units/dbus/org.keysluice1.service DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/system-services)
install(FILES units/polkit/org.keysluice1.policy DESTINATION ${CMAKE_INSTALL_DATADIR}/polkit-1/actions)
file(GLOB contract CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/dbus/*.xml)
install(FILES ${contract} DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/interfaces)
install(FILES units/keysluice.sysusers DESTINATION lib/sysusers.d RENAME keysluice.conf)
install(FILES units/keysluice.catalog DESTINATION lib/systemd/catalog)
install(FILES units/keysluice.tmpfiles DESTINATION lib/tmpfiles.d RENAME keysluice.conf)
install(FILES units/keysluice.modules-load DESTINATION lib/modules-load.d RENAME keysluice.conf)

# For applications that keysluice gives sockets to.
install(DIRECTORY include/keysluice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES examples/echo_server.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

foreach(section IN ITEMS 1 5 7 8)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME keysluice)
set(CPACK_PACKAGE_VENDOR keysluice)
set(CPACK_PACKAGE_CONTACT "keysluice <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "TLS and IPsec, negotiated in userspace and carried by the kernel")
set(CPACK_PACKAGE_DESCRIPTION
    "keysluice runs the TLS handshakes and the IKEv2 exchanges of a host and hands the session keys to the kernel:
kTLS for TLS, XFRM for IPsec. Its processes can be restarted without losing a connection.")
set(CPACK_PACKAGE_INSTALL_DIRECTORY keysluice)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "dbus | dbus-broker, polkitd")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "network-manager")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/units/debian/postinst;${PROJECT_SOURCE_DIR}/units/debian/prerm;${PROJECT_SOURCE_DIR}/units/debian/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
