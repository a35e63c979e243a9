# Sourced by the other scripts: which system packages are needed, and how they come onto the machine.
# llorch_need_packages GROUP...   GROUP: build (compile, run, test) or check (format, tidy, sanitizers, fuzzing)

llorch_package_list() { # GROUP -> package names for this distribution, one a line
  local id version
  id=$(. /etc/os-release 2>/dev/null && echo "${ID:-}")
  version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}")
  case "$1" in
    build)
      printf '%s\n' g++ cmake ninja-build pkg-config ccache curl ca-certificates libeigen3-dev libspdlog-dev libcli11-dev libutf8proc-dev libpcre2-dev
      case "$id-$version" in
        # Debian 12's default Boost is older than the code needs; 1.81 is packaged beside it.
        debian-12) printf '%s\n' libboost1.81-dev libboost-test1.81-dev libboost-context1.81-dev ;;
        *) printf '%s\n' libboost-dev libboost-test-dev libboost-context-dev ;;
      esac ;;
    check)
      case "$id-$version" in
        debian-12) printf '%s\n' clang clang-format clang-tidy libclang-rt-14-dev ;;
        *) printf '%s\n' clang clang-format clang-tidy libclang-rt-dev ;;
      esac ;;
  esac
}

llorch_need_packages() {
  local group package missing=()
  if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "llorch: this system has no dpkg, so the packages of docs/dependencies.md must be there already" >&2
    return 0
  fi
  for group in "$@"; do
    for package in $(llorch_package_list "$group"); do
      dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "llorch: installing missing system packages: ${missing[*]}" >&2
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "llorch: not root and no sudo; run as root: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q >&2 || echo "llorch: package lists could not be refreshed; trying with the ones at hand" >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}
