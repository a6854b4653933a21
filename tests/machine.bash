# What tests/run needs so that it leaves the machine as it was: packages are installed without their services, tests
# get a home of their own, and what they leave elsewhere is found. Sourced by tests/run and tests/release/machine.

# The lines of the input, a sorted listing, that are not in that of a file.
added_to() {
    LC_ALL=C comm -13 "$1" -
}

# The links by which services start with the system, below a root directory.
enabled() {
    # Not every system has all of these directories.
    {
        find "$1/etc/systemd/system" "$1/etc/systemd/user" -type l || true
        find "$1"/etc/rc?.d -type l -name 'S*' || true
    } 2>/dev/null | LC_ALL=C sort
}

# Disables what has been enabled below a root directory since the listing in a file. A service that was enabled
# before stays so. update-rc.d takes a service without any link for a new one, so an init script's becomes a K link.
disable_new() {
    local link name
    enabled "$1" | added_to "$2" | while read -r link; do
        name=${link##*/}
        case $link in
        "$1"/etc/rc?.d/*) mv "$link" "${link%/*}/K${name#S}" ;;
        *) rm "$link" ;;
        esac
    done
}

# The files of units that packages have brought.
unit_files() {
    { ls /lib/systemd/system /usr/lib/systemd/system 2>/dev/null || true; } | LC_ALL=C sort -u
}

# Maintainer scripts ask this program before they start or restart a service.
policy=/usr/sbin/policy-rc.d
users_policy=$policy.before-tests

deny_starts() {
    allow_starts
    [[ ! -e $policy ]] || mv "$policy" "$users_policy"
    printf '#!/bin/sh\n# From tests/run, while it installs packages.\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Also after a run that was killed: then the program is still ours.
allow_starts() {
    if [[ -e $users_policy ]]; then
        mv "$users_policy" "$policy"
    elif grep -qs '^# From tests/run' "$policy"; then
        rm "$policy"
    fi
}

# Installs Debian packages; no service of theirs is enabled or started. What is missing afterwards is reported
# where it is needed.
install_packages() {
    local before units unit
    before=$(mktemp) units=$(mktemp)
    enabled "" >"$before"
    unit_files >"$units"
    deny_starts
    # needrestart would restart services behind the policy's back.
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
    apt-get update --quiet </dev/null || true
    apt-get install --quiet --yes --no-install-recommends "$@" </dev/null || true
    allow_starts
    disable_new "" "$before"
    if [[ -d /run/systemd/system ]]; then
        systemctl daemon-reload
        for unit in $(unit_files | added_to "$units"); do
            ! systemctl is-active --quiet "$unit" 2>/dev/null || fail "the installation has started $unit"
        done
    fi
    rm "$before" "$units"
}

# Everything directly in a home, and in those of its directories that programs of the tests use by default. What
# cargo and rustup keep belongs to the user's own builds.
entries() {
    (
        cd "$1" || exit 0
        find . -mindepth 1 -maxdepth 1 ! -name .cargo ! -name .rustup || true
        find .cache .config .local/* .pki -mindepth 1 -maxdepth 1 || true
        find .docker .npm go -mindepth 1 -maxdepth 2 || true
    ) 2>/dev/null | sed 's|^\./||' | LC_ALL=C sort -u
}

# Everything that tests must leave as it was, as a list of names: of the machine with this root, and of this home.
listing() {
    {
        enabled "$1"
        entries "$2" | sed "s|^|$2/|"
    } | LC_ALL=C sort
}

# Gives programs a home and a directory for temporary files in this directory. Others than the user may pass
# through it, because some tests run a program as another user.
move_home() {
    local place=$1 old=$HOME
    chmod 711 "$place"
    mkdir -m 700 "$place/home" "$place/home/.docker" "$place/run"
    mkdir -m 1777 "$place/tmp"
    # Where installed toolchains are, and settings such as the registry to use.
    export CARGO_HOME="${CARGO_HOME:-$old/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$old/.rustup}"
    export NPM_CONFIG_USERCONFIG="${NPM_CONFIG_USERCONFIG:-$old/.npmrc}" GOENV="${GOENV:-$old/.config/go/env}"
    [[ ! -d $old/.pyenv ]] || export PYENV_ROOT="${PYENV_ROOT:-$old/.pyenv}"
    [[ ! -f $old/.gitconfig ]] || export GIT_CONFIG_GLOBAL="${GIT_CONFIG_GLOBAL:-$old/.gitconfig}"
    [[ ! -f $old/.config/pip/pip.conf ]] || export PIP_CONFIG_FILE="${PIP_CONFIG_FILE:-$old/.config/pip/pip.conf}"
    [[ ! -d $old/.docker/cli-plugins ]] || ln -s "$old/.docker/cli-plugins" "$place/home/.docker/cli-plugins"
    # Named by the user, they would lead out of the home.
    unset GOPATH GOCACHE GOMODCACHE NPM_CONFIG_CACHE npm_config_cache PIP_CACHE_DIR
    export HOME="$place/home" TMPDIR="$place/tmp" XDG_RUNTIME_DIR="$place/run" DOCKER_CONFIG="$place/home/.docker"
    export XDG_CACHE_HOME="$HOME/.cache" XDG_CONFIG_HOME="$HOME/.config"
    export XDG_DATA_HOME="$HOME/.local/share" XDG_STATE_HOME="$HOME/.local/state"
}

# Removes it. Go makes what it has downloaded read-only.
remove_home() {
    chmod -R u+w "$1" 2>/dev/null || true
    rm -rf "$1"
}
