import ArgumentParser

/// The completion script of a command for a shell, with what `key=value` arguments need besides: no space after a key
/// with its `=`; in bash, which divides words there, completion of the part behind; in fish, completion without a
/// terminal (`complete -C`).
///
/// - Parameter script: the script of ArgumentParser.
package func extendedCompletionScript(_ script: String, for shell: CompletionShell) -> String {
    switch shell {
    case .bash: return script + bashFunctions
    case .zsh:
        // The last lines call the function that is defined before.
        guard let end = script.range(of: "if [[ \"${funcstack[1]}\"") else { return script }
        return script[..<end.lowerBound] + zshFunctions + script[end.lowerBound...]
    case .fish:
        return script.split(separator: "(__kaon_tokens -tC)").joined(separator: "(__kaon_cursor)") + fishFunctions
    default: return script
    }
}

/// Replaces a function of the script above it.
private let bashFunctions = #"""

    __kaon_add_completions() {
        local completion word="${cur}"
        if [[ "${1}" == -W ]]; then
            # Behind a key and its '=' nothing has begun yet.
            [[ "${word}" == '=' || "${word}" == ':' ]] && word=''
            compopt +o filenames 2>/dev/null
        fi
        while IFS='' read -r completion; do
            COMPREPLY+=("${completion}")
        done < <(IFS=$'\n' compgen "${@}" -- "${word}")
        if [[ "${1}" == -W && "${#COMPREPLY[@]}" -gt 0 && "${COMPREPLY[0]}" == *[=/] ]]; then
            compopt -o nospace 2>/dev/null
            # After the only completion bash would close an open quote.
            if [[ "${#COMPREPLY[@]}" -eq 1 && "${COMP_WORDS[COMP_CWORD]}" == [\'\"]* ]]; then
                COMPREPLY+=("${COMPREPLY[0]}…")
            fi
        fi
        return 0
    }

    """#

private let fishFunctions = #"""

    function __kaon_cursor
        if status is-interactive
            __kaon_tokens -tC
        else
            # Without a terminal, only the end of the line is completed.
            set -l token (commandline -t)
            string length -- "$token"
        end
    end

    """#

private let zshFunctions = #"""
    __kaon_custom_complete() {
        local -a completions
        completions=("${(@f)"$("${command_name}" "${@}" "${command_line[@]}")"}")
        # The last line is no completion.
    (( ${#completions} > 1 )) || return 1
    completions=("${(@)completions[1,-2]}")
        local -a begun done
        begun=("${(@M)completions:#*[=/]}")
        done=("${(@)completions:#*[=/]}")
        (( ${#begun} )) && compadd -S '' -- "${begun[@]}"
        (( ${#done} )) && compadd -- "${done[@]}"
    }

    """#
