/// What a model has to know of the jets before it sees any.
package struct JetShape: Sendable, Equatable {
    /// Continuous features of a constituent.
    package var features: Int
    /// The columns of impact parameters among them.
    package var impactParameters: [Int]
    /// The most constituents of a jet.
    package var maxConstituents: Int
    /// The classes that labels stand for; nil where nobody looks at labels.
    package var classes: JetClasses?

    package init(
        features: Int, impactParameters: [Int] = [], maxConstituents: Int, classes: JetClasses? = nil
    ) {
        self.features = features
        self.impactParameters = impactParameters
        self.maxConstituents = maxConstituents
        self.classes = classes
    }

    package init(_ features: JetFeatures, maxConstituents: Int, classes: JetClasses? = nil) {
        self.init(
            features: features.count,
            impactParameters: features.indices.indices.filter {
                JetFeatures.impactParameters.contains(features.indices[$0])
            },
            maxConstituents: maxConstituents, classes: classes)
    }
}
