#!/usr/bin/env bash
# Installs the distribution packages of scripts/packages.txt that are missing. Silent, and without network, where none is.
# Exit 3 where it may not install: the line to run is printed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

if ! command -v dpkg-query >/dev/null; then
  echo "install_packages: this is not a Debian or Ubuntu system; install what $here/packages.txt lists by hand" >&2
  exit 3
fi

missing=()
while read -r package instead _; do
  [[ -z $package || $package == \#* ]] && continue
  [[ -n ${instead:-} ]] && command -v "$instead" >/dev/null && continue
  is_installed "$package" || missing+=("$package")
done <"$here/packages.txt"
((${#missing[@]} == 0)) && exit 0

sudo=()
((EUID == 0)) || sudo=(sudo)
update=(${sudo[@]+"${sudo[@]}"} apt-get update)
install=(${sudo[@]+"${sudo[@]}"} apt-get install --yes --no-install-recommends "${missing[@]}")

refuse() {
  echo "install_packages: $1. Ask an administrator to run this line, then call the script again:" >&2
  echo "  sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${missing[*]}" >&2
  exit 3
}

echo "Drystill needs ${#missing[@]} packages that are not installed: ${missing[*]}" >&2
if ((EUID != 0)); then
  command -v sudo >/dev/null || refuse "not root, and there is no sudo"
  # sudo may ask for a password only where somebody can answer.
  if [[ -t 0 ]]; then
    sudo --validate || refuse "sudo does not let this user install packages"
  else
    sudo --non-interactive true 2>/dev/null || refuse "sudo needs a password, and there is no terminal to ask on"
  fi
fi

export DEBIAN_FRONTEND=noninteractive
echo "+ ${update[*]}" >&2
"${update[@]}" >&2 || echo "install_packages: apt-get update failed; trying with the package lists at hand" >&2
echo "+ ${install[*]}" >&2
"${install[@]}" >&2 || refuse "apt-get could not install them"
