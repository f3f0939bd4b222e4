for i in 1 2 3; do (while :; do :; sleep 0; done) & (dd if=/dev/zero bs=1 2>/dev/null | cat >/dev/null) & done
n=0; s=$(date +%s); while [ $n -lt 4000 ] && [ $(( $(date +%s) - s )) -lt 60 ]; do echo 1 > /proc/sys/kernel/sched_schedstats; echo 0 > /proc/sys/kernel/sched_schedstats; n=$((n+1)); done
echo "done $n"
