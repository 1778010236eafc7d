// The tables of a fly.toml with their keys, those of earlier versions of flyctl included: old files
// are full of them, and they do no harm.
#include "agent/lint/fly_keys.hpp"

#include <array>
#include <span>

namespace vitals::lint {
namespace {

struct Table {
  std::string_view path;
  std::string_view keys;  // apart by blanks
};

struct Meant {
  std::string_view path;
  std::string_view key;
  std::string_view meant;
};

constexpr std::string_view concurrency = "type hard_limit soft_limit";
constexpr std::string_view tls_options = "alpn versions default_self_signed";
constexpr std::string_view http_options =
    "compress response h2_backend idle_timeout headers_read_timeout replay_cache";
constexpr std::string_view response = "headers pristine";
constexpr std::string_view replay_cache = "path_prefix ttl_seconds type name allow_bypass";
constexpr std::string_view http_check =
    "interval timeout grace_period method path protocol tls_skip_verify tls_server_name headers "
    "restart_limit name";
constexpr std::string_view tcp_check = "interval timeout grace_period restart_limit name";
constexpr std::string_view machine_check = "command image entrypoint kill_signal kill_timeout";
constexpr std::string_view compute =
    "size memory memory_mb max_memory_mb cpu_kind cpus gpus gpu_kind host_dedication_id "
    "persist_rootfs kernel_args processes";
constexpr std::string_view mounts =
    "source destination initial_size snapshot_retention scheduled_snapshots "
    "auto_extend_size_threshold auto_extend_size_increment auto_extend_size_limit processes "
    "encrypted path volume name size_gb";
constexpr std::string_view metrics = "port path https processes";

constexpr std::array<Table, 40> tables{{
    {"",
     "app primary_region kill_signal kill_timeout swap_size_mb console_command experimental build "
     "deploy env processes mounts mount http_service services checks files host_dedication_id "
     "machine_config container machine_checks restart vm compute computes statics metrics metric"},
    {"experimental",
     "cmd entrypoint exec auto_rollback enable_consul enable_etcd lazy_load_images attached "
     "machine_config use_zstd uses_zstd allowed_public_ports private_network kill_timeout "
     "metrics_port metrics_path"},
    {"build",
     "builder args buildpacks image settings builtin dockerfile ignorefile build-target "
     "build_target docker_build_target compose compression compression_level"},
    {"build.compose", "file"},
    {"deploy",
     "strategy max_unavailable wait_timeout release_command release_command_timeout "
     "release_command_vm seed_command"},
    {"deploy.release_command_vm", compute},
    {"http_service",
     "internal_port force_https auto_stop_machines auto_start_machines min_machines_running "
     "processes concurrency tls_options http_options checks tcp_checks machine_checks "
     "proxy_proto_options"},
    {"http_service.concurrency", concurrency},
    {"http_service.tls_options", tls_options},
    {"http_service.http_options", http_options},
    {"http_service.http_options.response", response},
    {"http_service.http_options.replay_cache", replay_cache},
    {"http_service.proxy_proto_options", "version"},
    {"http_service.checks", http_check},
    {"http_service.tcp_checks", tcp_check},
    {"http_service.machine_checks", machine_check},
    {"services",
     "protocol internal_port auto_stop_machines auto_start_machines min_machines_running ports "
     "concurrency tcp_checks http_checks script_checks machine_checks processes"},
    {"services.ports",
     "port start_port end_port handlers force_https tls_options http_options "
     "proxy_proto_options"},
    {"services.ports.tls_options", tls_options},
    {"services.ports.http_options", http_options},
    {"services.ports.http_options.response", response},
    {"services.ports.http_options.replay_cache", replay_cache},
    {"services.ports.proxy_proto_options", "version"},
    {"services.concurrency", concurrency},
    {"services.http_checks", http_check},
    {"services.tcp_checks", tcp_check},
    {"services.machine_checks", machine_check},
    {"checks.*",
     "port type kind interval timeout grace_period method path protocol tls_skip_verify "
     "tls_server_name headers processes name restart_limit"},
    {"machine_checks", machine_check},
    {"files", "guest_path local_path secret_name raw_value processes mode"},
    {"restart", "policy retries processes"},
    {"vm", compute},
    {"compute", compute},
    {"computes", compute},
    {"mounts", mounts},
    {"mount", mounts},
    {"statics", "guest_path url_prefix tigris_bucket index_document"},
    {"metrics", metrics},
    {"metric", metrics},
    {"experimental.attached", "secrets"},
}};

constexpr std::array<Meant, 12> often_meant{{
    {"http_service", "http_checks", "checks"},
    {"http_service", "port", "internal_port"},
    {"http_service", "min_machines", "min_machines_running"},
    {"http_service", "force_http", "force_https"},
    {"services", "port", "internal_port"},
    {"services", "checks", "http_checks"},
    {"services", "force_https", "ports.force_https"},
    {"services", "min_machines", "min_machines_running"},
    {"", "name", "app"},
    {"", "region", "primary_region"},
    {"", "http_services", "http_service"},
    {"restart", "max_retries", "retries"},
}};

}  // namespace

std::optional<std::vector<std::string_view>> known_keys(std::string_view path) {
  for (const Table& table : tables) {
    if (table.path != path) continue;
    std::vector<std::string_view> keys;
    auto rest = table.keys;
    while (!rest.empty()) {
      const auto end = rest.find(' ');
      keys.push_back(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return keys;
  }
  return std::nullopt;
}

std::string_view meant_key(std::string_view path, std::string_view key) {
  for (const Meant& entry : often_meant) {
    if (entry.path == path && entry.key == key) return entry.meant;
  }
  return {};
}

}  // namespace vitals::lint
