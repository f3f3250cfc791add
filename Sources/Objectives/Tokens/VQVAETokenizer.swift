import Models
import NN
import Tensors

/// Tokenizer whose tokens are the codes of a trained VQ-VAE; the code of a constituent depends on its whole jet.
///
/// The weights come from a checkpoint and do not change. Several users may share them, so they are not part of `state`:
/// the owner stores them once (`ObjectiveState.init(weights:)`).
package final class VQVAETokenizer: Tokenizer {
    /// The weights.
    package let parameters: ParameterStore
    private let model: VQVAE
    private let shape: VQVAE.Shape

    package init(_ options: VQVAEOptions, features: Int) {
        shape = options.shape(features: features)
        let builder = ParameterBuilder()
        model = VQVAE(shape, in: builder.root)
        parameters = builder.build(seed: 0)
    }

    package var count: Int { shape.quantiser.codes }
    package var dimension: Int { shape.quantiser.dimension }
    package var isContextual: Bool { true }
    package var pretrainedParameters: ParameterStore? { parameters }

    package func tokens(of jets: Constituents) -> [Int32] { model.codes(of: jets) }
    package func vectors(of tokens: [Int32]) -> Tensor { model.vectors(of: tokens) }

    package func features(of tokens: [Int32], offsets: Offsets) -> Tensor { model.decode(tokens, offsets: offsets) }

    /// Decodes the tokens together with the codes of the survivors, which are encoded without the dropped constituents.
    package func features(of tokens: [Int32], in jets: MaskedConstituents) -> Tensor {
        let survivors = self.tokens(of: jets.survivors)
        var (seen, hidden) = (0, 0)
        let codes = jets.mask.map { isDropped in
            defer { if isDropped { hidden += 1 } else { seen += 1 } }
            return isDropped ? tokens[hidden] : survivors[seen]
        }
        let decoded = model.decode(codes, offsets: jets.all.offsets)
        return Tape(recording: false).gatherRows([Variable(constant: decoded)], index: jets.droppedTokens).value
    }
}

extension ObjectiveState {
    /// The values of all parameters, by name.
    init(weights parameters: ParameterStore) {
        self.init()
        for parameter in parameters.parameters { tensors[parameter.name] = parameter.variable.value }
    }

    /// Copies the weights into the parameters of a VQ-VAE. Throws `ObjectiveError` if a name or a shape does not fit.
    func copyWeights(into parameters: ParameterStore) throws {
        for parameter in parameters.parameters {
            let stored = try tensor(
                parameter.name, shape: parameter.shape,
                wanted: "the VQ-VAE of this configuration needs \(parameter.shape)")
            parameter.variable.value.pointer.update(from: stored.pointer, count: stored.count)
        }
    }
}
