#!/bin/sh
# Install what building and testing needs and is not there yet. Debian and Ubuntu, as root or with sudo.
# Plain sh, because a minimal container has neither bash nor make: `sh scripts/deps.sh` works there.
# Where everything is there, it prints one line and touches nothing, neither network nor package lists.
set -eu
cd "$(dirname "$0")/.."

EMACS=${EMACS:-emacs}
CARGO_HOME=${CARGO_HOME:-${HOME:?is not set}/.cargo}
PATH=$CARGO_HOME/bin:$PATH
RUSTUP=${RUSTUP_UPDATE_ROOT:-https://static.rust-lang.org/rustup}/rustup-init.sh
RUST_MIN=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)

fail() {
    echo "deps: $1" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# 28.1 or later, built with dynamic modules.
have_emacs() {
    have "$EMACS" && "$EMACS" -Q --batch --eval \
        '(kill-emacs (if (and (version<= "28.1" emacs-version) (fboundp (quote module-load))) 0 1))' >/dev/null 2>&1
}

# A compiler that can also link: the headers and start files come in a package of their own.
have_cc() {
    have cc || return 1
    probe=$(mktemp -d)
    echo '#include <stdio.h>
int main(void) { return puts("") < 0; }' >"$probe/probe.c"
    status=0
    cc "$probe/probe.c" -o "$probe/probe" >/dev/null 2>&1 || status=1
    rm -r "$probe"
    return $status
}

# sshd lies where only root looks.
have_sshd() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v sshd >/dev/null 2>&1
}

# Not -Q: that would leave out the directory of Debian's packages.
have_package_lint() {
    have "$EMACS" && "$EMACS" -q --batch --eval \
        '(progn (package-initialize) (kill-emacs (if (locate-library "package-lint") 0 1)))' >/dev/null 2>&1
}

have_rust() {
    have cargo && have rustc || return 1
    minor=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    [ "${minor:-0}" -ge "$RUST_MIN" ]
}

have_rust_tools() {
    cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1
}

# The packages that are missing, in one line.
missing_packages() {
    have_emacs || echo emacs-nox
    have_cc || echo gcc libc6-dev
    for tool in make git curl jq tmux strace; do
        have $tool || echo $tool
    done
    { have ssh && have ssh-keygen && have ssh-keyscan; } || echo openssh-client
    have_sshd || echo openssh-server
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    have_package_lint || echo elpa-package-lint
}

install_packages() {
    have apt-get || fail "missing: $*; this script only knows apt-get, so install them by hand and run it again"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "missing: $*; installing them needs root, and there is no sudo"
        as_root=sudo
    fi
    echo "deps: installing $*"
    $as_root apt-get update -q || fail "apt-get update failed, so these stay missing: $*"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" ||
        fail "apt-get could not install: $*"
}

# The script is fetched as a whole before a line of it runs.
install_rustup() {
    echo "deps: installing Rust (stable, minimal) with rustup into $CARGO_HOME"
    script=$(mktemp)
    curl --proto '=https' --tlsv1.2 -fsSL "$RUSTUP" -o "$script" ||
        fail "could not fetch $RUSTUP; install Rust 1.$RUST_MIN or later by hand"
    sh "$script" -y -q --no-modify-path --profile minimal --default-toolchain stable -c clippy -c rustfmt ||
        fail "rustup could not install Rust; install Rust 1.$RUST_MIN or later by hand"
    rm -f "$script"
}

# An installed rustup is only given what is missing; which toolchain is its default is the person's choice.
install_rust() {
    if have rustup; then
        echo "deps: adding the stable toolchain with clippy and rustfmt to rustup"
        rustup toolchain install stable --profile minimal -c clippy -c rustfmt ||
            fail "rustup could not install the stable toolchain"
        rustup default >/dev/null 2>&1 || rustup default stable
    else
        install_rustup
    fi
}

# Deliberately unquoted: one word per package.
missing=$(missing_packages)
installed=
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    install_packages $missing
    installed=yes
fi
if ! have_rust || ! have_rust_tools; then
    install_rust
    installed=yes
fi

have_emacs || fail "$EMACS is older than 28.1 or has no module support, and this release's packages have no newer one"
have_cc || fail "cc cannot link a C program"
have rustc || fail "rustup is done, but there is no rustc on PATH=$PATH"
have_rust || fail "rustc is $(rustc --version 2>&1 | head -n 1), 1.$RUST_MIN is needed: run rustup default stable"
have_rust_tools || fail "cargo clippy or cargo fmt is missing: run rustup component add clippy rustfmt"
echo "deps: all there${installed:+ now}"
