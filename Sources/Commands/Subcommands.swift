import ArgumentParser

/// The subcommands in the order in which `kaon --help` lists them.
package let subcommands: [any ParsableCommand.Type] = [
    Init.self, Pretrain.self, Finetune.self, Evaluate.self, Encode.self, Generate.self, Export.self, Pack.self,
    Inspect.self, Compare.self, Bench.self, Reference.self,
]
