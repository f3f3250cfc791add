import Foundation
import Testing

/// Completion of `key=value` arguments in the three shells, with the scripts that kaon prints for them.
@Suite(.serialized) struct CompletionTests {
    private let yaml = """
        objective: mpm_v2
        data: {train: [train.h5]}
        tasks: {particle_id: {}, kmeans: {clusters: 32}}
        """

    /// What kaon answers to a shell that does not divide words.
    private func candidates(_ words: [String], shell: String = "zsh", index: Int? = nil) throws -> [String] {
        let index = index ?? words.count - 1
        let command =
            ["env", "SAP_SHELL=\(shell)", KaonProcess.program, "---completion", words[1], "--", "positional@1"]
            + ["\(index)", "\(words[index].count)"] + words
        let outcome = try KaonProcess(command: command).outcome()
        #expect(outcome.code == 0, "\(outcome.errors)")
        // The last line is no completion.
        return outcome.output.split(separator: "\n").map(String.init).filter { $0 != " " }
    }

    private func withConfiguration(_ body: (_ folder: String, _ path: String) throws -> Void) throws {
        try withScratchFolder { folder in
            let path = folder + "/x.yaml"
            try yaml.write(toFile: path, atomically: true, encoding: .utf8)
            try body(folder, path)
        }
    }

    @Test func keysAreThoseOfTheObjective() throws {
        try withConfiguration { _, path in
            let keys = try candidates(["kaon", "pretrain", path, "optimizer."])
            #expect(keys.contains("optimizer.learning_rate=") && keys.contains("optimizer.name="))
            #expect(
                keys.allSatisfy { $0.hasPrefix("optimizer.") && $0.hasSuffix("=") } && Set(keys).count == keys.count)
            #expect(try candidates(["kaon", "pretrain", path, "tasks.reg"]).contains("tasks.regression="))
            #expect(try candidates(["kaon", "pretrain", path, "cwola."]).isEmpty)
            #expect(try candidates(["kaon", "pretrain", path, "objective=cwola", "cwola."]).contains("cwola.signal="))
            #expect(try candidates(["kaon", "pretrain", path, "+seed"]) == ["+seed="])
            #expect(try candidates(["kaon", "pretrain", path, "nothing"]).isEmpty)
        }
    }

    @Test func valuesAreWordsFilesAndDefaults() throws {
        try withConfiguration { (folder: String, path: String) throws in
            func values(_ word: String) throws -> [String] { try candidates(["kaon", "pretrain", path, word]) }
            #expect(
                try values("optimizer.name=") == ["optimizer.name=adamw", "optimizer.name=lion", "optimizer.name=muon"])
            #expect(try values("optimizer.name=l") == ["optimizer.name=lion"])
            #expect(try values("data.shuffle=") == ["data.shuffle=true", "data.shuffle=false"])
            #expect(try values("training.log_interval=") == ["training.log_interval=50"])
            #expect(try values("training.average=") == ["training.average={}", "training.average=null"])
            let weights = "model.initial_weights=\(folder)/"
            #expect(try values(weights) == ["\(weights)x.yaml"])
            #expect(try values("data.train=[a.h5,\(folder)/x") == ["data.train=[a.h5,\(folder)/x.yaml]"])
            let parent = URL(fileURLWithPath: folder).deletingLastPathComponent().path
            #expect(try values("data.train=[\(folder)") == ["data.train=[\(folder)/"], "\(parent)")
            #expect(try values("no.key=").isEmpty)
        }
    }

    /// Lists and removals have to be quoted in shells, so that words begin with a quote or have backslashes.
    @Test func quotedWordsAreCompleted() throws {
        try withConfiguration { (folder: String, path: String) throws in
            func found(_ word: String) throws -> [String] { try candidates(["kaon", "pretrain", path, word]) }
            #expect(try found("'optimizer.na") == ["optimizer.name="])
            #expect(try found("\"optimizer.na") == ["optimizer.name="])
            #expect(try found("'data.train=[\(folder)/x") == ["data.train=[\(folder)/x.yaml]"])
            #expect(try found("data.train='[\(folder)/x") == ["data.train=[\(folder)/x.yaml]"])
            #expect(try found("data.train=\\[\(folder)/x") == ["data.train=[\(folder)/x.yaml]"])
            #expect(try found("'~tasks.particle") == ["~tasks.particle_id"])
            let keys = try candidates(["kaon", "pretrain", "'\(path)'", "'objective=cwola'", "cwola.sig"])
            #expect(keys.contains("cwola.signal="))
        }
    }

    @Test func keysOfTheFileCanBeRemoved() throws {
        try withConfiguration { (_: String, path: String) throws in
            #expect(
                try candidates(["kaon", "pretrain", path, "~tasks."]) == [
                    "~tasks.kmeans", "~tasks.kmeans.clusters", "~tasks.particle_id",
                ])
        }
    }

    /// Commands that take a checkpoint have fewer keys; the file need not exist.
    @Test func aCommandHasTheKeysWithAnEffect() throws {
        let keys = try candidates(["kaon", "encode", "best", ""])
        #expect(keys.contains("data.test=") && !keys.contains("optimizer.name="))
        let generating = try candidates(["kaon", "generate", "best", ""])
        #expect(generating.contains("generate.class=") && generating.contains("data.test="))
        #expect(generating.contains("seed=") && !generating.contains("optimizer.name="))
    }

    private func run(_ shell: String, _ script: String, _ folder: String) throws -> [String] {
        let path = "\(folder)/test.\(shell)"
        try script.write(toFile: path, atomically: true, encoding: .utf8)
        let outcome = try KaonProcess(command: [shell, path]).outcome()
        #expect(outcome.errors.isEmpty, "\(outcome.errors)")
        return outcome.output.split(separator: "\n").map(String.init)
    }

    /// bash divides words at `=`: only what is behind is completed.
    @Test(arguments: [
        (["optimizer.na"], "optimizer.na", ["optimizer.name="]),
        (["optimizer.name", "="], "", ["adamw", "lion", "muon"]),
        (["optimizer.name", "=", "l"], "l", ["lion"]),
        (["seed", "=", "1", "optimizer.name", "=", "a"], "a", ["adamw"]),
        (["\"optimizer.name=l"], "optimizer.name=l", ["optimizer.name=lion"]),
        // With a single one bash would close the quote.
        (["\"optimizer.na"], "optimizer.na", ["optimizer.name=", "optimizer.name=…"]),
        (["~tasks.particle"], "~tasks.particle", ["~tasks.particle_id"]),
    ])
    func bashCompletesDividedWords(words: [String], current: String, expected: [String]) throws {
        try withConfiguration { folder, path in
            let all = [KaonProcess.program, "pretrain", path] + words
            let list = all.map { "'\($0)'" }.joined(separator: " ")
            let found = try run(
                "bash",
                """
                source <('\(KaonProcess.program)' --generate-completion-script bash)
                COMP_WORDS=(\(list)) COMP_CWORD=\(all.count - 1) COMP_LINE='\(all.joined(separator: " "))'
                COMP_POINT=${#COMP_LINE} COMPREPLY=()
                _kaon kaon '\(current)' ''
                printf '%s\\n' "${COMPREPLY[@]}"
                """, folder)
            #expect(found == expected)
        }
    }

    /// fish divides words like kaon, and adds no space after `=`; `complete -C` works without a terminal.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/fish")))
    func fishReadsTheScript() throws {
        try withConfiguration { (folder: String, path: String) throws in
            let found = try run(
                "fish",
                """
                '\(KaonProcess.program)' --generate-completion-script fish | source
                complete -c kaon | grep -q 'pretrain -- positional@1'; and echo found
                """, folder)
            #expect(found == ["found"])
            let program = URL(fileURLWithPath: KaonProcess.program).deletingLastPathComponent().path
            let completed = try run(
                "fish",
                """
                set -x PATH '\(program)' $PATH
                kaon --generate-completion-script fish | source
                complete -C "kaon pretrain \(path) optimizer.na"
                complete -C "kaon pretrain \(path) optimizer.name=l"
                """, folder)
            #expect(completed == ["optimizer.name=", "optimizer.name=lion"])
            let words = ["kaon", "pretrain", path, "optimizer.name=l"]
            #expect(try candidates(words, shell: "fish") == ["optimizer.name=lion"])
        }
    }

    /// The functions of zsh need its line editor; the script is read, and has the function for settings.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/zsh")))
    func zshReadsTheScript() throws {
        try withScratchFolder { folder in
            let found = try run(
                "zsh",
                """
                autoload -U compinit
                compinit -u -d '\(folder)/dump'
                source <('\(KaonProcess.program)' --generate-completion-script zsh)
                whence -f __kaon_custom_complete | grep -c compadd
                """, folder)
            #expect(found == ["2"])
        }
    }
}
