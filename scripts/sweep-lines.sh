#!/usr/bin/env bash
# Prints the lines of a sweep, one run each: the modes of a backbone × the values of a key × seeds. The lines
# are for scripts/sweep.sh on one machine and for slurm/sweep.sbatch on a cluster:
#
#     bash scripts/sweep-lines.sh --output runs/labels --backbone kmeans=runs/mpmv2-kmeans/checkpoints/best \
#         --key data.jets --values "100 1000 10000 100000" --seeds "0 1 2" >labels.txt
#
#     run.directory=runs/labels/kmeans/fixed/data.jets-100/seed-0 backbone=runs/… backbone_mode=fixed …
#
#     --output FOLDER           where the folders of the runs are
#     --backbone [NAME=]PATH    the checkpoint of a pre-training; may be given again. Its name becomes a folder,
#                               and may be left out where there is one backbone.
#     --modes "MODE …"          fixed, fine_tuned, scratch: all three, or without a backbone scratch alone
#     --key KEY                 what is changed from run to run, such as data.jets or cwola.signal_jets
#     --values "VALUE …"        what it becomes
#     --seeds "SEED …"          by default 0. A seed chooses the jets, their order and the fresh weights.
#
# From scratch a backbone gives its shape and its preprocessing only, so that mode is run once, with the first
# backbone, whatever their number.
set -euo pipefail

fail() {
    printf 'sweep-lines: %s\n' "$*" >&2
    exit 2
}

# The lines of the comment above are the help.
usage() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"; }

output="" modes="" key="" values="" seeds=0
backbones=()
while (($# > 0)); do
    case $1 in
        -h | --help) usage && exit ;;
        --output | --backbone | --modes | --key | --values | --seeds)
            (($# > 1)) && [[ -n $2 ]] || fail "$1 needs a value; --help shows them"
            case $1 in
                --output) output=${2%/} ;;
                --backbone) backbones+=("$2") ;;
                --modes) modes=$2 ;;
                --key) key=$2 ;;
                --values) values=$2 ;;
                --seeds) seeds=$2 ;;
            esac
            shift 2
            ;;
        *) fail "unknown argument '$1'; --help shows those there are (a list needs quotes: --seeds \"0 1 2\")" ;;
    esac
done

[[ -n $output ]] || fail "--output is missing: the folder that all runs shall be in"
read -ra seeds <<<"$seeds"
for seed in "${seeds[@]}"; do
    [[ $seed =~ ^[0-9]+$ ]] || fail "--seeds has '$seed'; seeds are whole numbers with spaces between them"
done

if [[ -z $modes ]]; then
    if ((${#backbones[@]} > 0)); then modes="fixed fine_tuned scratch"; else modes="scratch"; fi
fi
read -ra modes <<<"$modes"
for mode in "${modes[@]}"; do
    case $mode in
        scratch) ;;
        fixed | fine_tuned)
            ((${#backbones[@]} > 0)) || fail "the mode $mode needs a backbone: --backbone runs/NAME/checkpoints/best"
            ;;
        *) fail "--modes has '$mode'; modes are fixed, fine_tuned and scratch, with spaces between them" ;;
    esac
done

# A key has values, and values have a key.
if [[ -n $key ]]; then
    [[ $key =~ ^[A-Za-z0-9_.]+$ ]] || fail "--key '$key' is no key; one is like data.jets, without a value"
    case $key in
        seed | backbone | backbone_mode | run.directory) fail "--key $key: that has an option of its own; see --help" ;;
    esac
    [[ -n $values ]] || fail "--values is missing: what $key shall be, such as \"100 1000 10000\""
    # Words as in a shell, so that one in quotes may have spaces.
    words=$(xargs -n 1 printf '%s\n' <<<"$values" 2>/dev/null) || fail "--values: a quote without its other half"
    mapfile -t values <<<"$words"
    [[ -n ${values[0]} ]] || fail "--values has no value; it says what $key shall be, such as \"100 1000 10000\""
elif [[ -n $values ]]; then
    fail "--values without --key: the key that shall have these values, such as data.jets"
else
    values=("")
fi

names=() paths=()
for backbone in "${backbones[@]}"; do
    # A name comes before the first =; a path may have one, too.
    name=${backbone%%=*}
    if [[ $backbone != *=* || $name == */* ]]; then
        ((${#backbones[@]} == 1)) || fail "several backbones need names: --backbone NAME=$backbone"
        name="" path=$backbone
    else
        path=${backbone#*=}
        [[ $name =~ ^[A-Za-z0-9_.+-]+$ && $name != scratch ]] || fail "'$name' cannot name a backbone's folder"
    fi
    [[ -n $path ]] || fail "--backbone $backbone names no checkpoint"
    if [[ -n $name && " ${names[*]-} " == *" $name "* ]]; then fail "two backbones are called $name"; fi
    names+=("$name")
    paths+=("$path")
done

# quoted WORD: the word as one that a shell and xargs read back.
quoted() {
    if [[ $1 =~ ^[]A-Za-z0-9_.,:/=+@%[{}~-]+$ ]]; then
        printf '%s' "$1"
    elif [[ $1 != *\'* ]]; then
        printf "'%s'" "$1"
    elif [[ $1 != *\"* ]]; then
        printf '"%s"' "$1"
    else
        fail "$1 has both kinds of quotes"
    fi
}

# What of a value may not stand in the name of a folder becomes a dash, or nothing at its ends: [QCD,Hbb] is QCD-Hbb.
folder_name() { sed -E 's/^[^A-Za-z0-9_.+-]+//; s/[^A-Za-z0-9_.+-]+$//; s/[^A-Za-z0-9_.+-]+/-/g' <<<"$1"; }

declare -A value_of=() # the value that each folder is for
for value in "${values[@]}"; do
    folder=$key-$(folder_name "$value")
    if [[ -n ${value_of[$folder]+there} ]]; then
        fail "--values has '${value_of[$folder]}' and '$value', whose runs would both be in folders $folder"
    fi
    value_of[$folder]=$value
done

# print_runs NAME PATH MODE: the lines of one curve.
print_runs() {
    local value seed folder overrides override line
    for value in "${values[@]}"; do
        for seed in "${seeds[@]}"; do
            folder=$output/${1:+$1/}$3${key:+/$key-$(folder_name "$value")}/seed-$seed
            overrides=("run.directory=$folder")
            if [[ -n $2 ]]; then overrides+=("backbone=$2"); fi
            overrides+=("backbone_mode=$3")
            if [[ -n $key ]]; then overrides+=("$key=$value"); fi
            overrides+=("seed=$seed")
            line=""
            for override in "${overrides[@]}"; do line+="${line:+ }$(quoted "$override")"; done
            printf '%s\n' "$line"
        done
    done
}

for mode in "${modes[@]}"; do
    if [[ $mode == scratch ]]; then
        print_runs "" "${paths[0]-}" scratch
        continue
    fi
    for place in "${!paths[@]}"; do print_runs "${names[place]}" "${paths[place]}" "$mode"; done
done
