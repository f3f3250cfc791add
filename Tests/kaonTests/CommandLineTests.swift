import Testing

struct CommandLineTests {
    @Test(arguments: [
        (["train", "a.yaml", "seed=1"], "there is no command 'train'; did you mean 'pretrain' or 'finetune'?"),
        (["evalute", "x"], "there is no command 'evalute'; did you mean 'evaluate'?"),
        (["configs/quickstart.yaml"], "there is no command 'configs/quickstart.yaml'; see kaon --help"),
    ])
    func anUnknownCommandIsNamed(_ arguments: [String], _ message: String) throws {
        let outcome = try kaon(arguments)
        #expect(outcome.code == 64)
        #expect(outcome.complaints.first == "Error: \(message)")
        #expect(!outcome.errors.contains("unexpected"))
    }

    /// Relative paths mean nothing where the name of the working folder cannot be read.
    @Test(arguments: [["inspect", "train.h5"], ["init", "first"], ["pretrain", "tiny.yaml"]])
    func aWorkingFolderIsNamedInUTF8(arguments: [String]) throws {
        try withScratchFolder { folder in
            let script = #"cd "$1" && mkdir "$(printf 'd\351')" && cd "$(printf 'd\351')" && shift && exec "$0" "$@""#
            let outcome = try KaonProcess(command: ["bash", "-c", script, KaonProcess.program, folder] + arguments)
                .outcome()
            #expect(outcome.code == 1)
            #expect(
                outcome.complaints == [
                    "Error: the name of the working folder is not UTF-8 text; rename it, or start kaon in another "
                        + "folder"
                ])
        }
    }

    private static let commands = [
        [], ["init"], ["pretrain"], ["finetune"], ["evaluate"], ["encode"], ["generate"], ["export"], ["pack"],
        ["inspect"], ["compare"], ["bench"],
    ]

    /// Examples in the help keep their line breaks at 80 columns, so that a shell runs them as pasted.
    @Test(arguments: commands) func examplesCanBePasted(_ command: [String]) throws {
        let outcome = try kaon(command + ["--help"])
        #expect(outcome.code == 0)
        let overview = outcome.output.components(separatedBy: "\nUSAGE").first ?? ""
        let lines = overview.split(separator: "\n", omittingEmptySubsequences: false)
        var (examples, isContinued) = (0, false)
        for line in lines {
            let isExample = line.hasPrefix("  kaon ") || line.hasPrefix("  mpirun ")
            #expect(line.count <= 80)
            if isExample { examples += 1 }
            if isContinued { #expect(line.hasPrefix("    ") && !isExample, "\(line)") }
            isContinued = line.hasSuffix("\\")
            // Lists are quoted, because zsh takes brackets for patterns; text after an example is not its wrapped end.
            if isExample { #expect(line.firstMatch(of: /[^']\[/) == nil || line.contains("=["), "\(line)") }
        }
        #expect(examples > 0 && !isContinued)
        let commands = overview.replacing("\\\n", with: " ").split(separator: "\n").filter {
            $0.hasPrefix("  kaon ") || $0.hasPrefix("  mpirun ")
        }
        for command in commands {
            let parsed = try KaonProcess(command: ["bash", "-c", "kaon() { :; }; mpirun() { :; }; set -u; \(command)"])
                .outcome()
            #expect(parsed.code == 0 && parsed.errors == "", "\(command)")
            // A word at the end of a line, as `--output`, has lost its value.
            #expect(!command.hasSuffix("--output"))
        }
        // A wrapped example goes on in the first column.
        for (line, next) in zip(lines, lines.dropFirst()) where line.hasPrefix("  ") && !line.hasSuffix("\\") {
            #expect(next.isEmpty || next.hasPrefix("  "), "\(line) is wrapped")
        }
    }

    @Test(arguments: commands) func everyCommandHasAVersion(_ command: [String]) throws {
        let outcome = try kaon(command + ["--version"])
        #expect(outcome.code == 0 && outcome.output.hasPrefix("0.1.0\ncommit: "), "\(outcome.errors)")
    }
}
