import Tensors

/// Normal numbers that are a function of the seed.
func randomTensor(_ shape: [Int], seed: UInt64, deviation: Float = 1, mean: Float = 0) -> Tensor {
    var random = RandomSequence(RandomKey(seed: seed, stream: .sampling))
    let count = shape.reduce(1, *)
    return Tensor((0..<count).map { _ in mean + deviation * random.normal() }, shape: shape)
}

/// Integers in `0 ..< bound` that are a function of the seed.
func randomIndices(_ count: Int, below bound: Int, seed: UInt64) -> [Int32] {
    var random = RandomSequence(RandomKey(seed: seed, stream: .order))
    return (0..<count).map { _ in Int32(random.below(bound)) }
}

/// Numbers of columns around the widths of the processor's vectors, which exercise the tails of loops.
let awkwardWidths = [1, 15, 16, 17, 33]

extension Tensor {
    /// The values in double precision.
    var doubles: [Double] { buffer.map(Double.init) }
}

/// Σ a b in double precision.
func dot(_ a: Tensor, _ b: Tensor) -> Double {
    precondition(a.count == b.count, "\(a.count) values against \(b.count)")
    return zip(a.buffer, b.buffer).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

extension Collection<Float> {
    var areFinite: Bool { allSatisfy(\.isFinite) }
    var areNaN: Bool { allSatisfy(\.isNaN) }
    var placesOfNaN: [Index] { indices.filter { self[$0].isNaN } }
}
