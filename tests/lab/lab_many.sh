#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One sender, several receivers behind paths that differ in rate, delay and every impairment: all
# get the same bytes, and no receiver costs more repair than its own loss explains.
#
#     SEED=N      another choice of paths (what is chosen is printed)
#     HOSTS=N     so many receivers
#     FULL=1      50 to 100 MB, 1 to 8 receivers, 20 to 500 Mbit/s; under block and under quorum
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/pipe_lab.sh"
requires_tun

RANDOM=${SEED:=1}
if [[ -n ${FULL:-} ]]; then
	hosts=${HOSTS:-$((1 + RANDOM % 8))}
	bytes=$((50000000 + RANDOM * 1525))
	least_mbit=20 total_mbit=1000
	# Of 1/(1-p): chunk bytes sent for a byte delivered at loss p.
	ratio_most=1.05
else
	hosts=${HOSTS:-4}
	bytes=$((10000000 + RANDOM * 152))
	least_mbit=30 total_mbit=400
	# In a short transfer the overshoot of the start, up to a queue, weighs more.
	ratio_most=1.2
fi

# pick VARIABLE LEAST MOST: a number at random, every order of magnitude as often as the next. Not
# in a subshell: those have random numbers of their own.
pick() {
	local picked r=$RANDOM
	picked=$(awk -v a="$2" -v b="$3" -v r="$r" \
		'BEGIN { printf "%.3f", a * exp(log(b / a) * r / 32767) }')
	printf -v "$1" '%s' "$picked"
}

# Every one leaves some of the sum for the next.
mbit=
left=$total_mbit
names=()
declare -A RATE=() HOW=() BEFORE=()
for ((i = 1; i <= hosts; i++)); do
	most=$((left - (hosts - i) * least_mbit * 2))
	((most <= 500)) || most=500
	((most >= least_mbit)) || most=$least_mbit
	pick mbit "$least_mbit" "$most"
	left=$((left - ${mbit%.*} - 1))
	names+=("r$i")
	RATE[r$i]=$mbit
done

# impairments VARIABLE
impairments() {
	local kinds=() loss x y
	pick loss 0.05 5
	case $((RANDOM % 4)) in
	0) ;;
	1) kinds+=("loss=$loss%") ;;
	2) kinds+=("burst=$loss%:$((2 + RANDOM % 10))") ;;
	3) kinds+=("loss=$loss%" "corrupt=0.1%") ;;
	esac
	pick x 0.1 2
	pick y 0.5 8
	((RANDOM % 3)) || kinds+=("reorder=$x%:${y}ms")
	((RANDOM % 3)) || kinds+=("dup=$x%")
	((RANDOM % 3)) || kinds+=("jitter=${y}ms")
	printf -v "$1" '%s' "${kinds[*]}"
}

lab_start s "${names[@]}"
make_data "$TMP/data" "$bytes"
delay='' queue='' words=''
for name in "${names[@]}"; do
	pick delay 0.5 150
	pick queue 20 200
	impairments words
	HOW[$name]="rate=${RATE[$name]}M delay=${delay}ms queue=${queue}ms $words"
done

# since NAME KEY: what the counter of the way there has grown by in this run
since() {
	echo $(($(lab_count "s>$1" "$2") - ${BEFORE[$1.$2]}))
}

# What a receiver costs: chunk bytes sent over bytes delivered, against 1/(1-p). Damaged packets are
# as good as lost; what an overfull queue dropped is the sender's own doing and not excused.
costs() {
	local name=$1 lost
	lost=$(($(since "$name" lost) + $(since "$name" corrupted)))
	awk -v packets="$(since "$name" in_pkts)" -v lost="$lost" -v bytes="$bytes" \
		-v tail="$(since "$name" drop_queue)" -v most="$ratio_most" \
		-v chunk="$(json_of sender "${AT[$name]}" chunk_bytes)" \
		-v s="$(json_of sender "${AT[$name]}" seconds)" \
		-v name="$name" -v how="${HOW[$name]}" 'BEGIN {
		p = lost / packets
		ratio = chunk / bytes * (1 - p)
		printf "%s: %.1f s, %.1f Mbit/s, lost %.2f %%, queue dropped %.2f %%, ",
			name, s, bytes * 8e-6 / s, p * 100, tail * 100 / packets
		printf "sent %.4f = %.3f/(1-p); %s\n", chunk / bytes, ratio, how
		exit !(ratio <= most) }'
}

# What was under way when the sender gave it up may still have made the stream whole: then it must
# be so.
breaks_off() {
	local status=0
	wait_exit "${PID[$1]}" 20 || status=$?
	if ((status == 0)); then
		same "$1"
	else
		says "$1" "NOT complete"
	fi
}

# run POLICY KEPT: a transfer under this policy, in which so many must complete
run() {
	local policy=$1 kept=$2 name key to=() whole=0 good=1
	for name in "${names[@]}"; do
		lab_link s "$name" perfect
		# shellcheck disable=SC2086 # key=value words
		lab_path "s>$name" ${HOW[$name]}
		# shellcheck disable=SC2046
		lab_path "$name>s" $(sed 's/rate=[^ ]*//; s/queue=[^ ]*//' <<<"${HOW[$name]}")
		for key in in_pkts lost corrupted drop_queue; do
			BEFORE[$name.$key]=$(lab_count "s>$name" "$key")
		done
		rm -f "$TMP/$name.out"
		receive_on "$name" "$name"
		to+=("${AT[$name]}")
	done
	send_from s -s "${to[@]}" --slow "$policy" <"$TMP/data"
	ends sender 0 240
	echo "-- seed $SEED, $hosts receivers, $bytes bytes, $policy: $(json sender seconds) s"
	for name in "${names[@]}"; do
		if [[ $(json_of sender "${AT[$name]}" result) == complete ]]; then
			ends "$name" 0
			same "$name"
			whole=$((whole + 1))
			costs "$name" || good=0
		else
			says sender "${AT[$name]}: LOST"
			breaks_off "$name"
		fi
	done
	((whole >= kept)) || fail "$whole receivers instead of $kept are complete under $policy"
	((good)) || lab_overloaded || fail "more was sent than the loss explains (seed $SEED)"
}

run block "$hosts"
if [[ -n ${FULL:-} ]]; then
	kept=$(((hosts + 1) / 2))
	run "quorum:$kept" "$kept"
fi
exit 0
