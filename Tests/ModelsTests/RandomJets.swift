import Models
import NN
import Tensors

/// Normal numbers that depend on the seed alone.
func randomTensor(_ shape: [Int], seed: UInt64) -> Tensor {
    var random = RandomSequence(RandomKey(seed: seed, stream: .sampling))
    return Tensor((0..<shape.reduce(1, *)).map { _ in random.normal() }, shape: shape)
}

/// Random jets with the given numbers of constituents.
func randomJets(_ counts: [Int], features: Int = 7, seed: UInt64 = 1) -> Constituents {
    let offsets = Offsets(counts: counts)
    var random = RandomSequence(RandomKey(seed: seed, stream: .order))
    return Constituents(
        values: randomTensor([offsets.tokens, features], seed: seed),
        identities: (0..<offsets.tokens).map { _ in Int32(random.below(8)) }, offsets: offsets)
}

extension Constituents {
    /// Tokens in another order: the rows to take, and the sizes of the new jets.
    func picking(_ rows: [Int], counts: [Int]) -> Constituents {
        Constituents(
            values: values.picking(rows), identities: rows.map { identities[$0] },
            offsets: Offsets(counts: counts))
    }
}

extension Tensor {
    /// A copy of some rows.
    func picking(_ rows: [Int]) -> Tensor {
        Tensor(rows.flatMap { Array(self.rows($0..<$0 + 1).buffer) }, shape: [rows.count, columns])
    }

    /// The largest difference to another tensor.
    func distance(to other: Tensor) -> Float {
        guard shape == other.shape else { return .infinity }
        return zip(buffer, other.buffer).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
    }
}

extension ParameterStore {
    /// Sets all parameters to random values, so that no part of the network is close to the identity.
    func randomize(seed: UInt64 = 12) {
        for (place, parameter) in parameters.enumerated() {
            let fresh = randomTensor([parameter.range.count], seed: seed + UInt64(place))
            let inputs = parameter.shape.count == 2 ? Float(parameter.shape[1]).squareRoot() : 2
            for i in 0..<fresh.count { parameter.variable.value.buffer[i] = fresh.buffer[i] / inputs }
        }
    }
}
