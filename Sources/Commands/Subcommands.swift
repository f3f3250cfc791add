import ArgumentParser
import Configuration
import Runs

/// The output of `kaon --version`: the version, and lines about the program and the machine.
package var versionText: String { Provenance().versionText }

/// The subcommands in the order in which `kaon --help` lists them.
package let subcommands: [any ParsableCommand.Type] = [
    Init.self, Pretrain.self, Finetune.self, TuneRate.self, Evaluate.self, Encode.self, Generate.self, Export.self,
    Pack.self,
    Inspect.self, Compare.self, Bench.self, Reference.self,
]

/// Throws `ValidationError` if the first argument is a word that is not a subcommand.
package func checkSubcommand(_ arguments: [String]) throws {
    let names = subcommands.map { $0._commandName }
    guard let word = arguments.first, !word.hasPrefix("-"), !(names + ["help"]).contains(word) else { return }
    let advice =
        word.lowercased().hasPrefix("train")
        ? "; did you mean 'pretrain' or 'finetune'?" : suggestion(for: word, among: names)
    throw ValidationError("there is no command '\(word)'\(advice.isEmpty ? "; see kaon --help" : advice)")
}
