import Jets
import MPI
import Models
import NN
import System
import Tensors

/// Next-token prediction (Birk et al., arXiv:2403.05618): a causal backbone reads the tokens of the constituents of a
/// jet in the order of decreasing pT, and predicts each of them, and the end of the jet, from those before.
///
/// The loss is the cross-entropy, averaged over the constituents and ends of all jets.
package final class NextTokenTraining: Objective {
    package let parameters: ParameterStore
    package let terms = [LossTerm(name: "next_token", weight: 1)]
    /// The network.
    package let model: NextTokenModel
    /// The vocabulary.
    package let tokenizer: any Tokenizer
    let maxConstituents: Int
    private let inputs: JetInputs
    private let fitJets: Int
    /// Number of identity classes.
    let identityCount: Int
    /// Number of constituents of the data with each token and each identity, row by row of the tokens.
    var identities: [Int]

    package init(_ options: NextTokenOptions, _ jets: JetShape, seed: UInt64) {
        inputs = JetInputs(options.inputs, jets)
        guard let tokenizer = inputs.tokenizer else { unreachable("next_token without tokens") }
        self.tokenizer = tokenizer
        let builder = ParameterBuilder()
        model = NextTokenModel(
            features: inputs.width, tokens: tokenizer.count, shape: options.backbone.shape, in: builder.root)
        parameters = builder.build(seed: seed)
        fitJets = options.fitJets
        (maxConstituents, identityCount) = (jets.maxConstituents, jets.identities)
        identities = [Int](repeating: 0, count: tokenizer.count * identityCount)
    }

    /// The token that ends a jet.
    var stop: Int32 { Int32(tokenizer.count) }

    package var tokenizerParameters: ParameterStore? { tokenizer.pretrainedParameters }
    package var generator: (any JetGenerator)? { self }

    package func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        MicroBatch(counts: [Double(batch.tokenCount + batch.count)]) { [self] scales, tape in
            let jets = Constituents(batch)
            let tokens = tokenizer.tokens(of: jets)
            tape.lap("tokens")
            var targets: [Int32] = []
            targets.reserveCapacity(tokens.count + batch.count)
            for jet in 0..<batch.count { targets += tokens[batch.offsets[jet]] + [stop] }
            return [tape.crossEntropy(logits(tokens, of: jets, on: tape), target: targets, scale: scales[0])]
        }
    }

    /// Logits of the token after each of some tokens, as of `NextTokenModel`.
    private func logits(_ tokens: [Int32], of jets: Constituents, on tape: Tape) -> Variable {
        var input = jets
        input.values = tokenizer.vectors(of: tokens)
        return model(input, on: tape)
    }

    /// Fits the tokens, then counts the identities that generated constituents draw theirs from.
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try inputs.fit(to: jets, on: communicator, report: report)
        identities = try jets.histogram(bins: identities.count, ofFirst: fitJets, on: communicator) { batch in
            // Jet by jet, so that rounding does not depend on the distribution of the jets over the ranks.
            (0..<batch.count).flatMap { jet in
                let jet = Constituents(batch.slice(jets: jet..<jet + 1))
                return zip(tokenizer.tokens(of: jet), jet.identities).map { token, identity in
                    Int(token) * identityCount + Int(identity)
                }
            }
        }
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws { try inputs.useSyntheticTokens(points) }

    package var state: ObjectiveState {
        var state = ObjectiveState(inputs, tokenizer: tokenizerParameters)
        state.integers["identities"] = identities
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        try state.restore(inputs, tokenizer: tokenizerParameters)
        identities = try state.integers("identities", count: identities.count)
    }
}
