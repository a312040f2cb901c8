# Becomes the program "$@", and leaves a watcher behind that reads the pipe on stdin.
# $1 is a folder that goes when it is the watcher who has to end the program, or empty.
temporary=$1
shift
exec 3<&0 </dev/null

gone_within() { # tenths of a second
    tries=$1
    while kill -0 $$ 2>/dev/null; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.1
    done
}

(
    # A signal to the whole group is meant for the program.
    trap '' HUP INT TERM
    # A line says that the program has ended and was reaped; no line, that nobody is left to do it.
    read -r _ <&3 && exit
    # The program is this watcher's parent, unless it has ended and its id is somebody else's now.
    parent=$$
    [ -r /proc/self/stat ] && read -r _ _ _ parent _ </proc/self/stat
    if [ "$parent" = $$ ]; then
        # Ten seconds are plenty for a clean end; after that the journal has to do.
        if [ -z "$temporary" ]; then
            kill -TERM $$
            gone_within 100
        fi
        kill -KILL $$ 2>/dev/null
        gone_within 50
    fi
    [ -z "$temporary" ] || rm -rf -- "$temporary"
) &

exec "$@" 3<&-
