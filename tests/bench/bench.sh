# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Words for measurements; to be sourced by bash. Brings tests/lab/lab.sh and tests/e2e/lib.sh with it. A scenario is a
# script of this folder that makes hosts, lets peers send, and writes one JSON line for each run; report.py makes the
# tables. See doc/benchmarks.md.
#
#   bench_open SCENARIO           first; $TMP, $RUNS, $BENCH_ROWS (the file of JSON lines), big socket buffers
#   bench_host HOST ADDRESS [PREFIX...]   a place to run things; PREFIX: e.g. ip netns exec NAME; none: this machine
#   bench_lab_host HOST...        the same for hosts of the lab
#   bench_peer PEER...            load peer_PEER.sh; a peer that cannot run here gets a row that says why. Those that can
#                                 are in ${BENCH_PEERS[@]}
#   bench_run PEER BYTES HOST...  the first HOST sends, the others receive; until all have the last byte, or
#                                 $LIMIT seconds have gone. True when complete; else $WHY says what went wrong.
#                                 $NEEDED: only these hosts need to get all; the others are as far as they are then
#     then: ${TOOK[HOST]} seconds until the last byte, ${GOT[HOST]} bytes, $SECONDS_ALL, $CPU_SEND, $CPU_RECV seconds of
#     processors, $STOPPED (1: the limit came), and ${MORE[@]} what the peer knows besides, as KEY=VALUE
#   bench_row PEER KEY=VALUE...   write a line; numbers stay numbers; KEY:=RAW for lists and such
#   bench_result PEER KEY=VALUE...  write what the last bench_run found, one line
#   bench_each_result PEER KEY=VALUE...  the same, and a line for every receiver (receiver=HOST) if there are several
#                                 with alone_mbit from ${ALONE_MBIT[HOST]} where that is known
#   bench_samples FILE            from now on a bench_run writes "milliseconds HOST bytes" there every $SAMPLE_MS (100)
#   bench_lab_mark / bench_lab_overload   counters of the lab from here on / true: it was too slow since the mark
#   bench_lab_since 'A>B' KEY     what one counter has grown since the mark
#   bench_data BYTES              make $DATA, random, at least so long; bench_file BYTES prints the name of one that is
#                                 exactly so long
#
# The words of a line:
#   scenario peer run date        what, who, which of the runs, when (UTC)
#   receiver                      a HOST, or "all": the slowest's time, the sum of the bytes
#   rate_mbit rtt_ms loss_pct queue_ms      the path, where there is one
#   bytes seconds mbit            to the last byte; mbit: bytes * 8 / seconds / 10^6 of one receiver (of "all": each's)
#   cpu_send cpu_recv             seconds of processors of the sender and of all receivers
#   sent_bytes repaired_bytes feedback_bytes    chunk bytes sent, those sent again, IP bytes that came back
#   stopped=1                     ended by the limit: bytes and seconds are how far it came
#   overloaded=1                  the lab could not keep up, also when tried again: not a result
#   failed=REASON                 no result
#   series=[[MS,BYTES],...]       what the receiver had, over time
#   commands=[...]                what ran where; in one line for each peer is enough
#   note=TEXT                     anything a reader must know
# A scenario adds words of its own where it needs them.

# shellcheck source=tests/lab/lab.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lab/lab.sh"

RUNS=${RUNS:-5}
SOCKET_BYTES=67108864		# what an expert allows a socket on a fast long path

declare -A bench_keeper=() bench_address=() bench_prefix=() RECV=() TOOK=() GOT=() HELPERS=()
declare -A ALONE_MBIT=()
BENCH_PEERS=() MORE=() bench_commands=()
bench_sample_file='' DATA=''

bench_open() {
	BENCH_SCENARIO=$1
	tmpdir
	BENCH_ROWS=${BENCH_ROWS:-$TMP/rows}
	bench_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
	cleanup_add bench_end
	exec {bench_never}<> <(:)
	bench_programs_real
	bench_sysctl net.core.rmem_max "$SOCKET_BYTES"
	bench_sysctl net.core.wmem_max "$SOCKET_BYTES"
}

# Raised for the time of the measurement only, never lowered.
bench_sysctl() {
	local file=/proc/sys/${1//.//} old
	old=$(<"$file")
	((old < $2)) && [[ -w $file ]] || return 0
	echo "$2" >"$file" && cleanup_add bench_sysctl_back "$file" "$old"
}

bench_sysctl_back() {
	echo "$2" >"$1"
}

# The program behind libtool's wrapper, whose start would be measured too.
bench_programs_real() {
	local dir
	PIPECLONE=$(built pipeclone) || exit 1
	dir=${PIPECLONE%/*}
	if [[ -x $dir/.libs/pipeclone ]]; then
		LD_LIBRARY_PATH=$(cd "$dir/.." && pwd)/.libs
		export LD_LIBRARY_PATH
		PIPECLONE=$dir/.libs/pipeclone
	fi
	unset "${!RMDT_@}"
}

bench_now_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# A pause without a process.
bench_pause() {
	read -rt "$1" -u "$bench_never" || :
}

# ---- hosts

bench_host() {
	bench_address[$1]=$2
	bench_prefix[$1]=${*:3}
}

bench_lab_host() {
	local host
	for host; do
		bench_host "$host" "$(lab_ip "$host")" ip netns exec "$(lab_ns "$host")"
	done
}

bench_ip() {
	echo "${bench_address[$1]}"
}

bench_exec() {
	local host=$1
	shift
	# shellcheck disable=SC2086 # a prefix is words
	${bench_prefix[$host]} "$@"
}

# bench_start HOST IN OUT COMMAND...: its pid in $BG_PID, what it says in $TMP/said.PID. Its parent is a sleep that never
# asks for its status: so what has ended still tells, as a zombie, its times and what it wrote, until bench_stop.
bench_start() {
	local host=$1 in=$2 out=$3
	shift 3
	bench_commands+=("$host: $* <${in#"$TMP/"} >${out#"$TMP/"}")
	rm -f "$TMP/pid"
	# shellcheck disable=SC2086,SC2016
	${bench_prefix[$host]} env --default-signal=INT,QUIT "BENCH_TMP=$TMP" sh -c '
		"$@" <&9 9<&- & echo $! >"$BENCH_TMP/pid.new"; mv "$BENCH_TMP/pid.new" "$BENCH_TMP/pid"
		exec sleep infinity 9<&- >/dev/null 2>&1' sh "$@" 9<"$in" >"$out" 2>"$TMP/said" &
	BG_PID=$!
	until [[ -e $TMP/pid ]]; do
		bench_pause 0.001
	done
	bench_keeper[$(<"$TMP/pid")]=$BG_PID
	BG_PID=$(<"$TMP/pid")
	mv "$TMP/said" "$TMP/said.$BG_PID"
}

# The status it ended with; 255 when it does not say. Field 52 of stat, as for a wait.
bench_status() {
	local stat
	local -a f
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 255
	read -ra f <<<"${stat##*) }"
	[[ ${f[0]} == Z ]] || return 255
	((f[49] & 127)) && return $((128 + (f[49] & 127)))
	return $((f[49] >> 8 & 255))
}

bench_helper() {
	bench_start "$1" /dev/null "$TMP/helper.out" "${@:2}"
	HELPERS[$BG_PID]=$1
}

# bench_receiver HOST COMMAND...: its standard output is thrown away and counted
bench_receiver() {
	bench_start "$1" /dev/null /dev/null "${@:2}"
	RECV[$1]=$BG_PID
}

# bench_sender HOST FILE COMMAND...
bench_sender() {
	bench_start "$1" "$2" /dev/null "${@:3}"
	SEND=$BG_PID
}

# bench_listens HOST tcp|udp PORT
bench_listens() {
	local hex state=''
	printf -v hex ':%04X ' "$3"
	[[ $2 == udp ]] || state='[0-9A-F]*:0000 0A'
	bench_exec "$1" grep -qs "^ *[0-9]*: [0-9A-F]*$hex$state" "/proc/net/$2" "/proc/net/${2}6"
}

# bench_wait_listens HOST tcp|udp PORT PID: false when the process ends instead
bench_wait_listens() {
	local k
	for ((k = 0; k < 500; k++)); do
		bench_listens "$1" "$2" "$3" && return
		if ! test_runs "$4"; then
			WHY="ended at once: $(tail -n 1 "$TMP/said.$4" | tr -d '"\\' | head -c 200)"
			return 1
		fi
		bench_pause 0.02
	done
	WHY="does not listen"
	return 1
}

bench_port() {
	local try port
	for ((try = 0; try < 200; try++)); do
		port=$((20000 + SRANDOM % 12000))
		bench_listens "$1" udp "$port" || bench_listens "$1" tcp "$port" || break
	done
	echo "$port"
}

# ---- data

bench_data() {
	DATA=$TMP/data
	[[ -e $DATA && $(stat -c %s "$DATA") -ge $1 ]] && return
	make_data "$DATA" "$1"
	cat "$DATA" >/dev/null
}

bench_file() {
	if [[ $(stat -c %s "$DATA") == "$1" ]]; then
		echo "$DATA"
		return
	fi
	if [[ ! -e $DATA.$1 ]]; then
		head -c "$1" "$DATA" >"$DATA.$1"
		cat "$DATA.$1" >/dev/null
	fi
	echo "$DATA.$1"
}

# A kernel may take pages back that nobody has read for some seconds, and then one peer reads the disk.
bench_warm() {
	[[ -z $DATA ]] || cat "$(bench_file "$1")" >/dev/null
}

# ---- one run

bench_peer() {
	local peer why
	for peer; do
		if [[ ! -e $bench_dir/peer_${peer%%[-:]*}.sh ]]; then
			bench_row "$peer" failed="no such peer"
			continue
		fi
		# shellcheck disable=SC1090
		source "$bench_dir/peer_${peer%%[-:]*}.sh"
		why=$("${peer%%[-:]*}_needs" "$peer") || why=${why:-"cannot run here"}
		if [[ -n $why ]]; then
			bench_row "$peer" failed="$why"
			echo "$peer: $why" >&2
		else
			BENCH_PEERS+=("$peer")
		fi
	done
}

# For NAME_needs: says what is missing.
bench_missing() {
	local program
	for program; do
		type -P "$program" >/dev/null || echo "$program is not installed"
	done
}

# Seconds of processor, those of children that were waited for included. A zombie still tells.
bench_cpu() {
	local pid stat sum=0
	local -a f
	for pid; do
		{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
		read -ra f <<<"${stat##*) }"
		((sum += f[11] + f[12] + f[13] + f[14])) || :
	done
	printf '%d.%02d\n' $((sum / 100)) $((sum % 100))
}

# A helper counts for the side it runs on.
bench_cpu_sides() {
	local pid send=("$SEND") recv=("${RECV[@]}")
	for pid in "${!HELPERS[@]}"; do
		if [[ ${HELPERS[$pid]} == "$1" ]]; then
			send+=("$pid")
		else
			recv+=("$pid")
		fi
	done
	CPU_SEND=$(bench_cpu "${send[@]}")
	CPU_RECV=$(bench_cpu "${recv[@]}")
}

# Bytes that a receiver has written so far, to bench_bytes: no fork here, it runs hundreds of times a second.
bench_so_far() {
	local key value
	bench_bytes=0
	while read -r key value; do
		if [[ $key == wchar: ]]; then
			bench_bytes=$value
			break
		fi
	done 2>/dev/null <"/proc/${RECV[$1]}/io"
	return 0
}

# A look costs the machine something, so there are few: at the speed so far, half of what is missing comes before the next;
# near the end the clock is right to one part in 500.
bench_wait_for_half() {
	local now=$1 got=$2 missing=$3 wait_us least
	least=$((now / 500 + 1000))
	wait_us=$((got > 0 ? missing * now / got / 2 : 10000))
	((wait_us < 100000)) || wait_us=100000
	[[ -z $bench_sample_file ]] || ((wait_us < 20000)) || wait_us=20000
	((wait_us > least)) || wait_us=$least
	printf -v wait_us '0.%06d' "$wait_us"
	bench_pause "$wait_us"
}

# True when one of these is needed.
bench_needed() {
	local host
	for host; do
		[[ -n ${NEEDED:-} && " $NEEDED " != *" $host "* ]] || return 0
	done
	return 1
}

# Until every receiver has all, has ended, or the time is over.
bench_watch() {
	local bytes=$1 began=$2 host left now most next=0 all=("${@:3}") waiting
	waiting=("${all[@]}")
	while ((${#waiting[@]})); do
		now=$((${EPOCHREALTIME/[.,]/} - began))
		left=() most=0
		for host in "${waiting[@]}"; do
			bench_so_far "$host"
			GOT[$host]=$bench_bytes
			if ((bench_bytes >= bytes)); then
				GOT[$host]=$bytes
				TOOK[$host]=$now
			elif ! test_runs "${RECV[$host]}"; then
				bench_so_far "$host"
				GOT[$host]=$bench_bytes
				TOOK[$host]=$now
				if ((bench_bytes >= bytes)); then
					GOT[$host]=$bytes
				elif bench_needed "$host"; then
					WHY="$host ended early"
				fi
			else
				left+=("$host")
				((bench_bytes > most)) && most=$bench_bytes
			fi
		done
		if [[ -n $bench_sample_file ]] && ((now >= next)); then
			for host in "${all[@]}"; do
				echo "$((now / 1000)) $host ${GOT[$host]}"
			done >>"$bench_sample_file"
			next=$((next + ${SAMPLE_MS:-100} * 1000))
		fi
		waiting=("${left[@]}")
		if ! bench_needed "${waiting[@]}"; then
			for host in "${waiting[@]}"; do
				TOOK[$host]=$now
			done
			break
		fi
		if ((now > ${LIMIT:-60} * 1000000 && ${#waiting[@]})); then
			STOPPED=1
			for host in "${waiting[@]}"; do
				TOOK[$host]=$now
			done
			break
		fi
		((${#waiting[@]})) && bench_wait_for_half "$now" "$most" $((bytes - most))
	done
}

bench_seconds() {
	printf '%d.%06d\n' $(($1 / 1000000)) $(($1 % 1000000))
}

bench_run() {
	local peer=$1 bytes=$2 from=$3 hosts=("${@:4}") name=${1%%[-:]*} host began watch most=0 good=0
	bench_commands=()
	RECV=() TOOK=() GOT=() HELPERS=() MORE=() SEND='' WHY='' STOPPED=0 CPU_SEND='' CPU_RECV=''
	bench_to=("${hosts[@]}")
	bench_warm "$bytes"
	if ! "${name}_receive" "$peer" "$bytes" "$from" "${hosts[@]}"; then
		bench_stop
		WHY=${WHY:-"cannot start"}
		return 1
	fi
	began=${EPOCHREALTIME/[.,]/}
	"${name}_send" "$peer" "$bytes" "$from" "${hosts[@]}" || WHY=${WHY:-"cannot send"}
	watch=bench_watch
	[[ $(type -t "${name}_watch") != function ]] || watch=${name}_watch
	[[ -n $WHY ]] || "$watch" "$bytes" "$began" "${hosts[@]}"
	((STOPPED)) || [[ -n $WHY ]] || bench_settle
	bench_cpu_sides "$from"
	[[ $(type -t "${name}_more") != function ]] || "${name}_more" "$peer" "$from" "${hosts[@]}"
	bench_stop
	for host in "${hosts[@]}"; do
		((${TOOK[$host]:-0} > most)) && most=${TOOK[$host]}
		((${GOT[$host]:-0} >= bytes)) || ! bench_needed "$host" || good=1
		TOOK[$host]=$(bench_seconds "${TOOK[$host]:-0}")
	done
	SECONDS_ALL=$(bench_seconds "$most")
	((good == 0 || STOPPED)) || WHY=${WHY:-"incomplete"}
	return $good
}

# All bytes are there; give the programs a moment to end by themselves, as their reports come then.
bench_settle() {
	[[ -z $SEND ]] || test_ends_within "$SEND" "${SETTLE_S:-3}" || :
}

bench_stop() {
	local pid pids=("${!bench_keeper[@]}")
	for pid in "${pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${pids[@]}"; do
		test_ends_within "$pid" 1 || kill -KILL "$pid" 2>/dev/null
		test_ends_within "$pid" 1
		kill -KILL "${bench_keeper[$pid]}" 2>/dev/null
		wait "${bench_keeper[$pid]}" 2>/dev/null
		rm -f "$TMP/said.$pid"
	done
	bench_keeper=()
}

bench_end() {
	bench_stop
	test_end_all
}

bench_samples() {
	bench_sample_file=$1
	[[ -z $1 ]] || : >"$1"
}

# ---- the lab

bench_lab_mark() {
	bench_marked=$(lab_stats)
}

bench_number() {
	local value
	value=$(sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" <<<"$1")
	echo "${value:-0}"
}

bench_of_link() {
	bench_number "$(grep -o "{[^{]*\"link\":\"$2\"" <<<"$1")" "$3"
}

bench_lab_since() {
	echo $(($(bench_of_link "$(lab_stats)" "$1" "$2") - $(bench_of_link "$bench_marked" "$1" "$2")))
}

bench_out_pkts() {
	grep -o '"out_pkts":[0-9]*' <<<"$1" | awk -F: '{ n += $2 } END { print n + 0 }'
}

# The lab's own rule, for the time since the mark.
bench_lab_overload() {
	local now old=$bench_marked late drops pkts
	now=$(lab_stats)
	late=$(($(bench_number "${now%%\"hosts\"*}" late) - $(bench_number "${old%%\"hosts\"*}" late)))
	drops=$(($(bench_number "${now%%\"hosts\"*}" tun_drops) - $(bench_number "${old%%\"hosts\"*}" tun_drops)))
	drops=$((drops + $(bench_number "$now" no_memory) - $(bench_number "$old" no_memory)))
	pkts=$(($(bench_out_pkts "$now") - $(bench_out_pkts "$old")))
	((drops > 0 || late * 1000 > pkts))
}

# ---- lines

bench_pair() {
	local key=${1%%=*} value=${1#*=}
	if [[ $key == *: ]]; then
		printf ',"%s":%s' "${key%:}" "$value"
	elif [[ $value =~ ^-?[0-9]+(\.[0-9]+)?$ ]]; then
		printf ',"%s":%s' "$key" "$value"
	else
		value=${value//[\\\"]/}
		printf ',"%s":"%s"' "$key" "${value//[[:cntrl:]]/ }"
	fi
}

bench_row() {
	local peer=$1 pair
	shift
	{
		printf '{"scenario":"%s","peer":"%s","date":"%s"' "$BENCH_SCENARIO" "$peer" "$(date -u +%FT%TZ)"
		for pair; do
			[[ ${pair#*=} == '' ]] || bench_pair "$pair"
		done
		echo '}'
	} >"$TMP/row"
	cat "$TMP/row" >>"$BENCH_ROWS"
	[[ -n ${BENCH_QUIET:-} ]] || cat "$TMP/row"
}

bench_mbit() {
	awk -v b="$1" -v s="$2" 'BEGIN { if (s > 0) printf "%.1f", b * 8 / s / 1e6 }'
}

# What was started, as a list of strings, without the folders of this run.
bench_commands_json() {
	local command list=''
	for command in "${bench_commands[@]}"; do
		command=${command//"${PIPECLONE%/*}/"/}
		command=${command//"$TMP/"/}
		command=${command//"$bench_dir/"/}
		command=${command//\\/\\\\}
		list+=,\"${command//\"/\\\"}\"
	done
	echo "[${list#,}]"
}

bench_result() {
	local peer=$1 host bytes=0 mean
	shift
	[[ " $* " != *" run=1 "* ]] || MORE+=("commands:=$(bench_commands_json)")
	if [[ -n $WHY ]]; then
		bench_row "$peer" "$@" failed="$WHY" "${MORE[@]}"
		return
	fi
	for host in "${bench_to[@]}"; do
		((bytes += ${GOT[$host]:-0})) || :
	done
	mean=$((bytes / ${#bench_to[@]}))
	((STOPPED)) && MORE+=(stopped=1)
	bench_row "$peer" "$@" bytes="$bytes" seconds="$SECONDS_ALL" mbit="$(bench_mbit "$mean" "$SECONDS_ALL")" \
		cpu_send="$CPU_SEND" cpu_recv="$CPU_RECV" "${MORE[@]}"
}

bench_each_result() {
	local peer=$1 host
	shift
	bench_result "$peer" "$@" receiver=all
	[[ -z $WHY ]] || return 0
	for host in "${bench_to[@]}"; do
		bench_row "$peer" "$@" receiver="$host" bytes="${GOT[$host]}" seconds="${TOOK[$host]}" \
			mbit="$(bench_mbit "${GOT[$host]}" "${TOOK[$host]}")" alone_mbit="${ALONE_MBIT[$host]:-}"
	done
}
