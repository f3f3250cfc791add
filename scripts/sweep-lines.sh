#!/usr/bin/env bash
# Prints the lines of a sweep, one per run: backbone modes × values of any number of keys × seeds. The lines are input
# for scripts/sweep.sh on one machine, and for slurm/sweep.sbatch or condor/sweep.sub on a cluster:
#
#     bash scripts/sweep-lines.sh --output runs/labels --backbone kmeans=runs/mpmv2-kmeans/checkpoints/best \
#         --key data.jets --values "100 1000 10000 100000" --seeds "0 1 2" >labels.txt
#
#     run.directory=runs/labels/kmeans/fixed/data.jets-100/seed-0 backbone=runs/… backbone_mode=fixed …
#
# With --pretrain the lines are for kaon pretrain, one for each combination of values and each seed. Several keys form a
# grid:
#
#     bash scripts/sweep-lines.sh --pretrain --output runs/grid --key masking.fraction --values "0.2 0.4" \
#         --key optimizer.learning_rate --values "1e-3 3e-4"
#
#     run.directory=runs/grid/masking.fraction-0.2/optimizer.learning_rate-1e-3/seed-0 masking.fraction=0.2 …
#
#     --pretrain                for pre-training runs, which have no backbone and no mode
#     --output FOLDER           parent folder of the run folders
#     --backbone [NAME=]PATH    pre-trained checkpoint; repeatable. NAME becomes a folder name; it is optional if there
#                               is only one backbone.
#     --modes "MODE …"          fixed, fine_tuned, scratch; default all three, or scratch if no backbone is given
#     --key KEY                 configuration key to vary, such as data.jets or cwola.signal_jets; repeatable
#     --values "VALUE …"        its values, once for each --key, in the same order
#     --protocol NAME           adds the settings of the paper's runs for the number of labelled jets and the mode, with
#                               --key data.jets: paper for JetClass, paper-btag for flavour tagging. Batches have 500
#                               jets, as in configs/finetune-classification.yaml.
#     --seeds "SEED …"          default 0. The seed determines the choice and order of jets and the initial weights.
#
# The mode scratch takes only the shape and the preprocessing of the backbone, so it is run once, with the first
# backbone.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"

fail() {
    printf 'sweep-lines: %s\n' "$*" >&2
    exit 2
}

output="" modes="" seeds=0 pretrain="" protocol=""
backbones=() keys=() value_lists=()
while (($# > 0)); do
    case $1 in
        -h | --help) print_comment "${BASH_SOURCE[0]}" && exit ;;
        --pretrain)
            pretrain=yes
            shift
            ;;
        --output | --backbone | --modes | --key | --values | --seeds | --protocol)
            (($# > 1)) && [[ -n $2 ]] || fail "$1 needs a value; see --help"
            case $1 in
                --output) output=${2%/} ;;
                --backbone) backbones+=("$2") ;;
                --modes) modes=$2 ;;
                --key) keys+=("$2") ;;
                --values) value_lists+=("$2") ;;
                --seeds) seeds=$2 ;;
                --protocol) protocol=$2 ;;
            esac
            shift 2
            ;;
        *) fail "unknown argument '$1'; see --help (a list needs quotes: --seeds \"0 1 2\")" ;;
    esac
done

# refuse_repeats OPTION WORD…: two equal words would be two runs in one folder.
refuse_repeats() {
    local repeated
    repeated=$(printf '%s\n' "${@:2}" | sort | uniq -d | head -n 1)
    [[ -z $repeated ]] || fail "$1 contains '$repeated' twice"
}

[[ -n $output ]] || fail "--output is missing: the parent folder of the runs"
read -ra seeds <<<"$seeds"
refuse_repeats --seeds "${seeds[@]}"
for seed in "${seeds[@]}"; do
    [[ $seed =~ ^[0-9]+$ ]] || fail "--seeds contains '$seed'; seeds are whole numbers separated by spaces"
done

if [[ -n $pretrain ]]; then
    ((${#backbones[@]} == 0)) || fail "--backbone is for fine-tunings; leave it out with --pretrain"
    [[ -z $modes ]] || fail "--modes is for fine-tunings; leave it out with --pretrain"
    modes="scratch"
elif [[ -z $modes ]]; then
    if ((${#backbones[@]} > 0)); then modes="fixed fine_tuned scratch"; else modes="scratch"; fi
fi
read -ra modes <<<"$modes"
refuse_repeats --modes "${modes[@]}"
for mode in "${modes[@]}"; do
    case $mode in
        scratch) ;;
        fixed | fine_tuned)
            ((${#backbones[@]} > 0)) || fail "the mode $mode needs a backbone: --backbone runs/NAME/checkpoints/best"
            ;;
        *) fail "--modes contains '$mode'; modes are fixed, fine_tuned and scratch, separated by spaces" ;;
    esac
done

# quoted WORD: the word, quoted if necessary, so that a shell and xargs read it back unchanged.
quoted() {
    if [[ $1 =~ ^[]A-Za-z0-9_.,:/=+@%[{}~-]+$ ]]; then
        printf '%s' "$1"
    elif [[ $1 != *\'* ]]; then
        printf "'%s'" "$1"
    elif [[ $1 != *\"* ]]; then
        printf '"%s"' "$1"
    else
        fail "$1 contains both single and double quotes"
    fi
}

# folder_name VALUE: replaces characters that are not allowed in a folder name by a dash, and removes them at the ends:
# [QCD,Hbb] becomes QCD-Hbb.
folder_name() { sed -E 's/^[^A-Za-z0-9_.+-]+//; s/[^A-Za-z0-9_.+-]+$//; s/[^A-Za-z0-9_.+-]+/-/g' <<<"$1"; }

if ((${#value_lists[@]} > ${#keys[@]})); then
    ((${#keys[@]} > 0)) || fail "--values without --key: name the key that takes these values, such as data.jets"
    fail "there are ${#value_lists[@]} --values for ${#keys[@]} --key: give each key its values"
fi
# The grid so far: for each point its part of the run folder, ending in /, and its settings, one a line.
folders=("") grid=("")
for place in "${!keys[@]}"; do
    key=${keys[place]}
    [[ $key =~ ^[A-Za-z0-9_.]+$ ]] || fail "--key '$key' is not a key; give a name such as data.jets, without a value"
    case $key in
        seed | backbone | backbone_mode | run.directory) fail "--key $key has an option of its own; see --help" ;;
    esac
    for other in "${keys[@]:0:place}"; do
        [[ $other != "$key" ]] || fail "--key $key is given twice; list all its values after one --values"
        if [[ $other == "$key".* || $key == "$other".* ]]; then
            fail "--key $other and --key $key: one contains the other"
        fi
    done
    ((place < ${#value_lists[@]})) || fail "--values is missing: the values of $key, such as \"100 1000 10000\""
    # Split into words like a shell, so that a quoted word may contain spaces.
    words=$(xargs -n 1 printf '%s\n' <<<"${value_lists[place]}" 2>/dev/null) || fail "--values: unmatched quote"
    mapfile -t values <<<"$words"
    [[ -n ${values[0]} ]] || fail "--values is empty; give the values of $key, such as \"100 1000 10000\""
    ((${#grid[@]} * ${#values[@]} * ${#seeds[@]} <= 10000)) || fail "the grid has more than 10000 runs"
    unset value_of
    declare -A value_of=() # folder name → value
    parts=()
    for value in "${values[@]}"; do
        part=$key-$(folder_name "$value")
        if [[ -n ${value_of[$part]+there} ]]; then
            fail "--values contains '${value_of[$part]}' and '$value', whose runs would share the folder name $part"
        fi
        value_of[$part]=$value
        parts+=("$part")
    done
    next_folders=() next_grid=()
    for point in "${!folders[@]}"; do
        for index in "${!values[@]}"; do
            next_folders+=("${folders[point]}${parts[index]}/")
            next_grid+=("${grid[point]}$key=${values[index]}"$'\n')
        done
    done
    folders=("${next_folders[@]}") grid=("${next_grid[@]}")
done

# value_in SETTINGS KEY: the value of a key in settings, one a line.
value_in() { sed -n "s/^${2//./\\.}=//p" <<<"$1"; }

case $protocol in
    "") ;;
    paper | paper-btag)
        [[ -z $pretrain ]] || fail "--protocol $protocol is for fine-tuning; leave it out with --pretrain"
        [[ " ${keys[*]-} " == *" data.jets "* ]] || fail "--protocol $protocol sets values by the number of labelled" \
            "jets: add --key data.jets --values \"1000 10000 …\""
        for point in "${grid[@]}"; do
            value=$(value_in "$point" data.jets)
            [[ $value =~ ^[1-9][0-9_]*$ ]] ||
                fail "--protocol $protocol needs numbers of jets; --values contains '$value'"
        done
        ;;
    *) fail "--protocol '$protocol' is not known; it is paper (JetClass) or paper-btag" ;;
esac

names=() paths=()
for backbone in "${backbones[@]}"; do
    # The name ends at the first =; the path may contain further ones.
    name=${backbone%%=*}
    if [[ $backbone != *=* || $name == */* ]]; then
        ((${#backbones[@]} == 1)) || fail "name the backbones if there are several: --backbone NAME=$backbone"
        name="" path=$backbone
    else
        path=${backbone#*=}
        [[ $name =~ ^[A-Za-z0-9_.+-]+$ && $name != scratch ]] || fail "'$name' is not a valid name for a backbone"
    fi
    [[ -n $path ]] || fail "--backbone $backbone names no checkpoint"
    if [[ -n $name && " ${names[*]-} " == *" $name "* ]]; then fail "two backbones have the name $name"; fi
    names+=("$name")
    paths+=("$path")
done

# protocol_of MODE JETS: the settings of the paper's runs, one a line. Learning rate, warm-up, frozen steps and the end
# of the training depend on the number of labelled jets n; an epoch has n / 500 steps.
protocol_of() {
    local mode=$1 n=$((10#${2//_/}))
    local rate=1.0e-4 warmup=10000 epochs=1 patience=5
    if [[ $mode != fixed ]]; then
        if [[ $protocol == paper && ($mode == scratch || $n -eq 100000000) ]]; then rate=1.0e-3; fi
        if ((n >= 10000000)); then warmup=40000; fi
    fi
    if ((n < 10000)); then
        epochs=10
    elif ((n == 10000)); then
        patience=25
    elif ((n <= 1000000)); then
        patience=10
    fi
    local interval=$((n * epochs / 500))
    echo "data.validation_jets=$((n < 1000000 ? n : 1000000))"
    echo "optimizer.learning_rate=$rate"
    echo "schedule.warmup_steps=$warmup"
    if [[ $mode == fine_tuned ]]; then
        if ((n >= 10000000)); then
            printf "%s\n" fine_tuning.frozen_steps=20000 fine_tuning.catch_up_steps=20000
        else
            printf "%s\n" "fine_tuning.frozen_steps=$((n <= 1000 ? 100 : 5000))" fine_tuning.catch_up_steps=5000
        fi
    fi
    echo "training.validation_jets=all"
    echo "training.validation_interval=$((interval > 0 ? interval : 1))"
    echo "training.early_stopping_patience=$patience"
}

# print_runs NAME PATH MODE: prints the lines of one backbone and mode.
print_runs() {
    local point seed overrides override line settings mode_folder=$3
    [[ -z $pretrain ]] || mode_folder=""
    for point in "${!grid[@]}"; do
        for seed in "${seeds[@]}"; do
            overrides=("run.directory=$output/${1:+$1/}${mode_folder:+$mode_folder/}${folders[point]}seed-$seed")
            if [[ -n $2 ]]; then overrides+=("backbone=$2"); fi
            [[ -n $pretrain ]] || overrides+=("backbone_mode=$3")
            if [[ -n $protocol ]]; then
                mapfile -t settings < <(protocol_of "$3" "$(value_in "${grid[point]}" data.jets)")
                overrides+=("${settings[@]}")
            fi
            # After the protocol, whose settings a key of the grid may replace.
            if [[ -n ${grid[point]} ]]; then
                mapfile -t settings <<<"${grid[point]%$'\n'}"
                overrides+=("${settings[@]}")
            fi
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
