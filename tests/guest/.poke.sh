(dd if=/dev/zero bs=1 2>/dev/null | dd bs=1 of=/dev/null 2>/dev/null) &
n=0; s=$(date +%s); while [ $(( $(date +%s) - s )) -lt 90 ]; do for i in 1 2 3 4 5 6 7 8 9 10; do echo 1 > /proc/sys/kernel/sched_schedstats; echo 0 > /proc/sys/kernel/sched_schedstats; n=$((n+1)); done; done
echo "done $n"
