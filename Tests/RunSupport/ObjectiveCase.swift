import Runs
import TestSupport
import Testing
import Training

/// An objective in small, which keeps the promises to all.
package struct ObjectiveCase: Sendable, CustomTestStringConvertible {
    package let name: String
    /// Its sections of a configuration; TOKENIZER is replaced by the checkpoint of a VQ-VAE.
    package let sections: String
    /// Classifiers from scratch amplify rounding errors within 20 steps at the rate of the others.
    private let learningRate: String

    package var testDescription: String { name }

    package static let vqvae = ObjectiveCase(
        name: "vqvae",
        sections: """
            objective: vqvae
            model: {encoder: {width: 16, layers: 1, heads: 2, hidden: 16, dropout: 0.1},
                    decoder: {width: 16, layers: 1, heads: 2, hidden: 16, dropout: 0.1},
                    quantiser: {codes: 96, dimension: 4}}
            vqvae: {reduction: sum, revival_steps: 2, fit_jets: 60, iterations: 3}
            """)

    package static let all = [
        vqvae,
        ObjectiveCase(
            name: "mpm_v1, continuous",
            sections: """
                objective: mpm_v1
                model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16, dropout: 0.1}, position: backbone}
                tasks: {regression: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3},
                        bins: {bins: 8, fit_jets: 100}}
                """),
        ObjectiveCase(
            name: "mpm_v1, clusters as inputs",
            sections: """
                objective: mpm_v1
                model: {encoder: {width: 16, layers: 1, heads: 2, hidden: 16, dropout: 0.1},
                        inputs: {name: kmeans, clusters: 64, fit_jets: 100, iterations: 3}}
                tasks: {particle_id: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3}}
                """),
        ObjectiveCase(
            name: "mpm_v1, bins as inputs, ordered mask tokens",
            sections: """
                objective: mpm_v1
                model: {encoder: {width: 16, layers: 1, heads: 2, hidden: 16, dropout: 0.1}, position: masked,
                        head_width: 0, inputs: {name: bins, bins: 8, fit_jets: 100}}
                tasks: {bins: {bins: 8, fit_jets: 100}}
                """),
        tokens,
        ObjectiveCase(
            name: "mpm_v1, blocks of version 2",
            sections: """
                objective: mpm_v1
                model: {encoder: {block: transformer, width: 16, layers: 2, heads: 2, registers: 2, layer_scale: 0.1},
                        identity: true}
                tasks: {particle_id: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3}}
                """),
        ObjectiveCase(
            name: "mpm_v2, pairs",
            sections: """
                objective: mpm_v2
                model: {encoder: {width: 16, layers: 2, heads: 2, registers: 2, layer_scale: 0.1,
                                  pairs: {features: [ln_dr, ln_kt, ln_z, ln_m2], widths: [16, 8]}},
                        decoder: {width: 16, layers: 1, heads: 2, layer_scale: 0.1}}
                tasks: {regression: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3}}
                """),
        ObjectiveCase(
            name: "mpm_v2, codes",
            sections: """
                objective: mpm_v2
                tokenizer: {checkpoint: TOKENIZER}
                model: {encoder: {width: 16, layers: 1, heads: 2, registers: 2, layer_scale: 0.1},
                        decoder: {width: 16, layers: 1, heads: 2, layer_scale: 0.1}}
                tasks: {particle_id: {}, vqvae: {}}
                """),
        ObjectiveCase(
            name: "next_token, clusters",
            sections: """
                objective: next_token
                model: {encoder: {width: 16, layers: 2, heads: 2, registers: 2, layer_scale: 0.1},
                        inputs: {clusters: 32, fit_jets: 100, iterations: 3}}
                next_token: {fit_jets: 100}
                """),
        ObjectiveCase(
            name: "next_token, codes",
            sections: """
                objective: next_token
                tokenizer: {checkpoint: TOKENIZER}
                model: {encoder: {width: 16, layers: 1, heads: 2, layer_scale: 0.1}, inputs: {name: vqvae}}
                next_token: {fit_jets: 100}
                """),
        fromScratch("clusters", "{name: kmeans, clusters: 32, fit_jets: 100, iterations: 3}"),
        fromScratch("bins", "{name: bins, bins: 8, fit_jets: 100}"),
        codesFromScratch,
    ]

    package static let tokens = ObjectiveCase(
        name: "mpm_v1, codes",
        sections: """
            objective: mpm_v1
            tokenizer: {checkpoint: TOKENIZER}
            model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16, dropout: 0.1}, inputs: {name: vqvae}}
            tasks: {vqvae: {}}
            """)

    package static let codesFromScratch = fromScratch(
        "codes", "{name: vqvae}", tokenizer: "tokenizer: {checkpoint: TOKENIZER}")

    private static func fromScratch(_ name: String, _ inputs: String, tokenizer: String = "") -> ObjectiveCase {
        ObjectiveCase(
            name: "classification from scratch, \(name) as inputs",
            sections: """
                objective: classification
                backbone_mode: scratch
                model: {encoder: {width: 16, layers: 1, heads: 2, layer_scale: 0.1}, inputs: \(inputs)}

                """ + tokenizer, learningRate: "2.5e-3")
    }

    package init(name: String, sections: String, learningRate: String = "5.0e-3") {
        (self.name, self.sections, self.learningRate) = (name, sections, learningRate)
    }

    /// A run of an epoch of 28 steps, whose last batch is a single jet, and some more.
    package func options(
        _ directory: String, tokenizer: String, _ overrides: String...
    ) throws -> RunOptions {
        try runOptions(
            readingPretrained: """
                seed: 5
                run: {directory: \(directory)}
                data: {train: ["\(sample("val"))"], validation: ["\(sample("test"))"]}
                preprocessing: {jets: 500}
                optimizer: {learning_rate: \(learningRate)}
                schedule: {warmup_steps: 10, half_life: 200}
                training: {steps: 32, batch_size: 37, micro_batch_size: 8, validation_interval: 20, validation_jets: 50,
                           checkpoint_interval: 1000, log_interval: 1}
                parallel: {threads: 1}

                """ + sections.replacing("TOKENIZER", with: tokenizer), overrides)
    }

    /// Trains a VQ-VAE if the case needs one, and passes its checkpoint to `body`.
    package func withTokenizer(_ body: (_ folder: String, _ tokenizer: String) throws -> Void) throws {
        try withSharedFolder { folder in
            let tokenizer = folder + "/tokenizer"
            if sections.contains("TOKENIZER") {
                try train(Self.vqvae.options(tokenizer, tokenizer: "", "training.steps=6"))
            }
            try body(folder, checkpoint(tokenizer, step: 6))
        }
    }
}
