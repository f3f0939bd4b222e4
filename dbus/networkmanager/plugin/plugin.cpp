#include <gio/gio.h>

#include <exception>
#include <memory>
#include <string>

#include "dbus/networkmanager/plugin/connection_file.hpp"
#include "dbus/networkmanager/profile.hpp"

extern "C" {  // which nm-errors.h does not say itself
#include <NetworkManager.h>
}

// What nmcli, and whatever else is made with libnm, loads to import and export connections of ours. It runs in their
// process: it links nothing that they don't have, and no exception leaves it.

namespace keysluice::networkmanager {
namespace {

constexpr const char* kService = "org.freedesktop.NetworkManager.keysluice";

struct Unref {
    void operator()(gpointer object) const { g_object_unref(object); }
};
struct Free {
    void operator()(gpointer memory) const { g_free(memory); }
};
using OwnConnection = std::unique_ptr<NMConnection, Unref>;
using OwnText = std::unique_ptr<char, Free>;

void refuse(GError** error, const std::string& sentence) {
    g_set_error_literal(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_FAILED, sentence.c_str());
}

/// What is no exception of C++ has no business here.
template <typename Outcome, typename Work>
Outcome guarded(GError** error, Work work) noexcept {
    try {
        return work();
    } catch (const std::exception& problem) {
        refuse(error, problem.what());
        return Outcome{};
    }
}

// ---- import

NMConnection* connection_of(const ImportedConnection& imported, const char* path) {
    OwnConnection connection(nm_simple_connection_new());
    NMSetting* const common = nm_setting_connection_new();
    nm_connection_add_setting(connection.get(), common);
    const OwnText name(g_path_get_basename(path));
    g_object_set(common, NM_SETTING_CONNECTION_ID, imported.id.empty() ? name.get() : imported.id.c_str(), nullptr);
    auto* const vpn = NM_SETTING_VPN(nm_setting_vpn_new());
    nm_connection_add_setting(connection.get(), NM_SETTING(vpn));
    g_object_set(vpn, NM_SETTING_VPN_SERVICE_TYPE, kService, nullptr);
    for (const auto& [key, value] : imported.data) {
        nm_setting_vpn_add_data_item(vpn, key.c_str(), value.c_str());
    }
    return connection.release();
}

NMConnection* import_from(const char* path, GError** error) {
    char* contents = nullptr;
    gsize size = 0;
    if (g_file_get_contents(path, &contents, &size, error) == FALSE) {
        return nullptr;
    }
    const OwnText owner(contents);
    if (size > kLargestConnectionFile) {
        refuse(error, std::string(path) + ": a connection has at most " + std::to_string(kLargestConnectionFile) +
                          " bytes (file-too-large)");
        return nullptr;
    }
    const auto imported = import_connection({contents, size}, path);
    if (!imported) {
        refuse(error, to_string(imported.error()) + " (" + std::string(imported.error().reason) + ")");
        return nullptr;
    }
    return connection_of(*imported, path);
}

// ---- export

Request request_of(NMConnection* connection, NMSettingVpn* vpn) {
    Request request;
    const char* const uuid = nm_connection_get_uuid(connection);
    const char* const id = nm_connection_get_id(connection);
    request.uuid = uuid == nullptr ? "" : uuid;
    request.id = id == nullptr ? "" : id;
    nm_setting_vpn_foreach_data_item(
        vpn, [](const char* key, const char* value, gpointer data) { static_cast<Data*>(data)->emplace(key, value); },
        &request.data);
    return request;
}

gboolean export_to(const char* path, NMConnection* connection, GError** error) {
    NMSettingVpn* const vpn = nm_connection_get_setting_vpn(connection);
    if (vpn == nullptr) {
        refuse(error, "this is no connection of the type vpn");
        return FALSE;
    }
    const auto text = export_profile(request_of(connection, vpn));
    if (!text) {
        refuse(error, text.error().sentence + " (" + std::string(text.error().reason) + ")");
        return FALSE;
    }
    return g_file_set_contents(path, text->data(), static_cast<gssize>(text->size()), error);
}

// ---- NMVpnEditorPlugin

NMVpnEditor* get_editor(NMVpnEditorPlugin* /*plugin*/, NMConnection* /*connection*/, GError** error) {
    return guarded<NMVpnEditor*>(error, [&]() -> NMVpnEditor* {
        refuse(error, "keysluice has no window for its connections: nmcli connection modify changes them");
        return nullptr;
    });
}

NMVpnEditorPluginCapability get_capabilities(NMVpnEditorPlugin* /*plugin*/) {
    return static_cast<NMVpnEditorPluginCapability>(NM_VPN_EDITOR_PLUGIN_CAPABILITY_IMPORT |
                                                    NM_VPN_EDITOR_PLUGIN_CAPABILITY_EXPORT |
                                                    NM_VPN_EDITOR_PLUGIN_CAPABILITY_IPV6);
}

NMConnection* import_from_file(NMVpnEditorPlugin* /*plugin*/, const char* path, GError** error) {
    return guarded<NMConnection*>(error, [&] { return import_from(path, error); });
}

gboolean export_to_file(NMVpnEditorPlugin* /*plugin*/, const char* path, NMConnection* connection, GError** error) {
    return guarded<gboolean>(error, [&] { return export_to(path, connection, error); });
}

char* get_suggested_filename(NMVpnEditorPlugin* /*plugin*/, NMConnection* connection) {
    return g_strdup_printf("%s.toml", nm_connection_get_id(connection));
}

enum Property : guint { kName = 1, kDescription, kServiceName };

void get_property(GObject* object, guint property, GValue* value, GParamSpec* spec) {
    switch (property) {
        case kName:
            g_value_set_static_string(value, "IPsec (keysluice)");
            break;
        case kDescription:
            g_value_set_static_string(value, "IKEv2 and IPsec with keysluice");
            break;
        case kServiceName:
            g_value_set_static_string(value, kService);
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, property, spec);
            break;
    }
}

void begin_class(gpointer type, gpointer /*data*/) {
    auto* const object = static_cast<GObjectClass*>(type);
    object->get_property = get_property;
    g_object_class_override_property(object, kName, NM_VPN_EDITOR_PLUGIN_NAME);
    g_object_class_override_property(object, kDescription, NM_VPN_EDITOR_PLUGIN_DESCRIPTION);
    g_object_class_override_property(object, kServiceName, NM_VPN_EDITOR_PLUGIN_SERVICE);
}

void begin_interface(gpointer table, gpointer /*data*/) {
    auto* const plugin = static_cast<NMVpnEditorPluginInterface*>(table);
    plugin->get_editor = get_editor;
    plugin->get_capabilities = get_capabilities;
    plugin->import_from_file = import_from_file;
    plugin->export_to_file = export_to_file;
    plugin->get_suggested_filename = get_suggested_filename;
}

GType plugin_type() {
    static const GType type = [] {
        const GType made = g_type_register_static_simple(G_TYPE_OBJECT, "KeysluiceEditorPlugin", sizeof(GObjectClass),
                                                         begin_class, sizeof(GObject), nullptr, GTypeFlags{});
        const GInterfaceInfo interface{begin_interface, nullptr, nullptr};
        g_type_add_interface_static(made, NM_TYPE_VPN_EDITOR_PLUGIN, &interface);
        return made;
    }();
    return type;
}

}  // namespace
}  // namespace keysluice::networkmanager

extern "C" __attribute__((visibility("default"))) NMVpnEditorPlugin* nm_vpn_editor_plugin_factory(
    GError** /*error*/) {
    return static_cast<NMVpnEditorPlugin*>(g_object_new(keysluice::networkmanager::plugin_type(), nullptr));
}
