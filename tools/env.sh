# Source this in the checkout (. tools/env.sh): it puts the installed programs first on PATH, and makes Pulumi keep its
# state in .state/ unless you have chosen a backend. For sh, dash, bash and zsh; safe to source twice.

# Run as a program it could change nothing of the shell that called it. Only bash and zsh know how a file is read; another
# shell names the file that it runs as $0, and when it sources one, itself or its script.
_shapebench_read=sourced
if [ -n "${BASH_VERSION:-}" ]; then
    [ "${BASH_SOURCE:-}" != "$0" ] || _shapebench_read=run
elif [ -n "${ZSH_VERSION:-}" ]; then
    case ${ZSH_EVAL_CONTEXT:-} in *file*) ;; *) _shapebench_read=run ;; esac
elif [ "${0##*/}" = env.sh ] && grep -qs SHAPEBENCH_EMBEDDED_BACKEND "$0"; then
    _shapebench_read=run
fi
if [ "$_shapebench_read" = run ]; then
    echo "shapebench: tools/env.sh was run and not sourced, so this shell is as before; type: . tools/env.sh" >&2
    exit 1
fi
unset _shapebench_read

# Only bash and zsh tell a sourced file its path; in other shells the checkout is the nearest folder upwards with it.
if [ -n "${BASH_VERSION:-}" ]; then
    _shapebench_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE:-$0}")/.." && pwd)
elif [ -n "${ZSH_VERSION:-}" ]; then
    _shapebench_root=$(eval 'CDPATH="" cd -- "${${(%):-%x}:A:h}/.." && pwd')
else
    _shapebench_root=$PWD
fi
while [ ! -f "$_shapebench_root/tools/env.sh" ] && [ "$_shapebench_root" != / ]; do
    _shapebench_root=$(dirname -- "$_shapebench_root")
done

if [ -f "$_shapebench_root/tools/env.sh" ]; then
    case $PATH in
        "$_shapebench_root/.tools/bin:$_shapebench_root/.venv/bin:"*) ;;
        *) PATH=$_shapebench_root/.tools/bin:$_shapebench_root/.venv/bin:$PATH ;;
    esac
    export PATH
    export PULUMI_SKIP_UPDATE_CHECK="${PULUMI_SKIP_UPDATE_CHECK:-true}"

    # A backend and a passphrase that sourcing this file set earlier, perhaps in another checkout, are not the user's
    # choice: without this, a backend of the user's own would get the empty passphrase.
    if [ -n "${SHAPEBENCH_EMBEDDED_BACKEND:-}" ] && [ "${PULUMI_BACKEND_URL:-}" = "$SHAPEBENCH_EMBEDDED_BACKEND" ]; then
        unset PULUMI_BACKEND_URL
    fi
    if [ -n "${SHAPEBENCH_EMPTY_PASSPHRASE:-}" ] && [ -z "${PULUMI_CONFIG_PASSPHRASE:-}" ]; then
        unset PULUMI_CONFIG_PASSPHRASE
    fi
    unset SHAPEBENCH_EMPTY_PASSPHRASE
    export SHAPEBENCH_EMBEDDED_BACKEND="file://$_shapebench_root/.state"

    _shapebench_logins=${PULUMI_CREDENTIALS_PATH:-${PULUMI_HOME:-${HOME:-}/.pulumi}}/credentials.json
    if [ -z "${PULUMI_BACKEND_URL:-}" ] && [ -z "${PULUMI_ACCESS_TOKEN:-}" ] &&
        ! grep -Eqs '"current"[[:space:]]*:[[:space:]]*"[^"]' "$_shapebench_logins"; then
        mkdir -p "$_shapebench_root/.state" && chmod go-rwx "$_shapebench_root/.state" # states, logs, raw rows
        export PULUMI_BACKEND_URL="$SHAPEBENCH_EMBEDDED_BACKEND"
        # The state there holds no secrets, so the passphrase is empty unless you set one.
        if [ -z "${PULUMI_CONFIG_PASSPHRASE_FILE:-}${PULUMI_CONFIG_PASSPHRASE:-}" ]; then
            export PULUMI_CONFIG_PASSPHRASE='' SHAPEBENCH_EMPTY_PASSPHRASE=true
        fi
    fi
    unset _shapebench_logins _shapebench_root
    # The state of every backend holds the salt of the passphrase: Pulumi takes it from there where a stack file has none.
    export PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=true
    # Pulumi also writes the salt into the stack's file at every update and has no setting against it, so git would show
    # the file as changed. The salt stays in a file with secrets, which cannot be decrypted without it.
    pulumi() {
        _shapebench_status=0
        if [ "${1:-}" = up ] && [ -t 1 ]; then
            _shapebench_columns=$(stty size 2>/dev/null </dev/tty | cut -d ' ' -f 2) || _shapebench_columns=0
            if [ "${_shapebench_columns:-0}" -gt 0 ] && [ "$_shapebench_columns" -lt 110 ]; then
                echo "shapebench: Pulumi shows the progress of the load test in the last column of its table, which a" \
                    "terminal of $_shapebench_columns columns cuts off; give it 120, or add --yes --non-interactive" >&2
            fi
        fi
        command pulumi "$@" || _shapebench_status=$?
        _shapebench_state=${SHAPEBENCH_EMBEDDED_BACKEND#file://}
        for _shapebench_file in "${_shapebench_state%/.state}"/stacks/Pulumi.*.yaml; do
            if grep -qs '^encryptionsalt:' "$_shapebench_file" && ! grep -q 'secure:' "$_shapebench_file"; then
                sed '/^encryptionsalt:/d' "$_shapebench_file" > "$_shapebench_file.new"
                mv "$_shapebench_file.new" "$_shapebench_file"
            fi
        done
        # Pulumi's exit status where a command names a stack that is not in the backend, or none.
        if [ "$_shapebench_status" = 6 ]; then
            echo "shapebench: create the stack once with \`pulumi stack init NAME\`, and give each command --stack NAME." \
                "NAME is one of" \
                "$(cd "${_shapebench_state%/.state}/stacks" && echo Pulumi.*.yaml | sed 's/Pulumi\.//g; s/\.yaml//g')" >&2
        fi
        return "$_shapebench_status"
    }
else
    echo "shapebench: stand in the checkout to source tools/env.sh; nothing was changed" >&2
    unset _shapebench_root
    return 1
fi
